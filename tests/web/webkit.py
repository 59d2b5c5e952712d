"""What the tests of the web stand on: a site, and shorthands for asking it."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from rollout.core.audit import Actor
from rollout.core.definitions import FlagFile
from rollout.core.errors import StoreUnavailable
from rollout.core.keys import Role
from rollout.service.desk import StoreDesk
from rollout.service.follower import Follower
from rollout.service.gate import Gate
from rollout.service.key_chores import KeyChores
from rollout.service.operations import Operations, Request
from rollout.service.outcomes import Intake
from rollout.service.sessions import SessionDesk
from rollout.stores.memory import MemoryFlagStore
from rollout.stores.spool import Spool
from rollout.telemetry import Counters
from rollout.web.app import Parts, create_app
from rollout.web.signed_context import ContextKeys
from rollout.yaml_files.reader import read_text

FLAGS = """\
version: 1

attributes:
  user_id: { type: string }
  account_id: { type: string }
  country: { type: string, values: [IN, GB] }
  app_version: { type: version }
  age: { type: number }
  beta: { type: boolean }
  since: { type: datetime }

segments:
  employees:
    description: On the payroll
    members: { file: employees.txt }
  india:
    description: With a number from India
    match: { country: IN }

flags:
  payments:
    description: Send money
    owner: payments@example.com
    enabled: true
    rollout: { audience: india, bake: 7d, stages: [employees, 1%, 50%] }

  merchant-payments:
    description: Pay a shop
    owner: merchants@example.com
    enabled: false
    locked: true
    requires: [payments]
    rollout: { audience: india, stages: [employees, 100%] }

  everybody:
    description: On for all
    owner: web@example.com
    enabled: true

  beta-people:
    description: On for those who want it
    owner: web@example.com
    enabled: true
    rules:
      - { match: { beta: true }, serve: on }

  per-account:
    description: Half of the accounts
    owner: web@example.com
    enabled: true
    bucket_by: account_id
    variants: { large: 9007199254740991, small: 1 }
    off: small
    split: { large: 50%, small: 50% }

  theme:
    description: A colour, or the app's own
    owner: web@example.com
    enabled: true
    client: false
    variants: { dark: { background: "#000", zoom: 2.0 }, wide: { zoom: 1.5 } }
    on: dark
    rules:
      - { match: { country: GB }, serve: dark }
"""
MOST_OUTCOMES = 2500  # that wait for the store
EMPLOYEES = "u-1\nu-2\n"


def read(
    text: str = FLAGS, name: str = "flags.yaml", load: Callable[[str], bytes] = lambda _: EMPLOYEES.encode()
) -> FlagFile:
    return read_text(text, name=name, load_members=load)


class WatchedStore:
    """A store in memory that can go away, and that tells what was asked of it."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[str] = []
        self._inner = MemoryFlagStore()

    def __getattr__(self, name: str) -> Any:
        if self.away:
            raise StoreUnavailable("connection refused")
        self.asked.append(name)
        return getattr(self._inner, name)


class Site:
    """A server without a network."""

    def __init__(
        self,
        store: WatchedStore | None = None,
        *,
        open_without_keys: bool = True,
        contexts: ContextKeys | None = None,
        origins: frozenset[str] = frozenset(),
        fast: bool = True,
        **clocks: Any,
    ) -> None:
        self.store = store or WatchedStore()
        self.follower = Follower(self.store)
        self.report: dict[str, Any] | None = None
        self.counters = Counters()
        desk = StoreDesk(self.store, read, lambda: self.follower.current)
        self.outcomes = Intake(self.store, self.follower, self.counters, most=MOST_OUTCOMES)
        self.gate = Gate(lambda: self.follower.current.state.keys, open_without_keys=open_without_keys, **clocks)
        self.chores = KeyChores(self.store, self.gate, "here", time.time)
        self.parts = Parts(
            self.follower,
            desk,
            self.counters,
            self.outcomes,
            lambda: self.report,
            frozenset({"flags.example.com"}),
            gate=self.gate,
            contexts=contexts,
            origins=origins,
            fast=fast,
            sessions=SessionDesk(Operations(self.store)),
            large_files=self._spool(),
        )
        self.serve()

    def _spool(self) -> Spool:
        """On the disk for as long as the site is used."""
        folder = tempfile.mkdtemp(prefix="rollout-site-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Spool(Path(folder) / "spool")

    def serve(self) -> None:
        """With the parts as they are now."""
        self.app = create_app(self.parts)
        self.http: FlaskClient = self.app.test_client()

    def serve_with(self, **parts: Any) -> None:
        self.parts = replace(self.parts, **parts)
        self.serve()

    @classmethod
    def with_flags(cls, text: str = FLAGS, **options: Any) -> Site:
        site = cls(**options)
        site.load(text)
        return site

    def load(self, text: str = FLAGS) -> None:
        self.load_file(read(text))

    def load_file(self, file: FlagFile) -> None:
        Operations(self.store).load(file, Request(Actor("test", "file")))
        self.follow()

    def make_keys(self, **rates: int) -> dict[str, str]:
        """A key for each role, by role; from now on every caller needs one."""
        desk = self.parts.desk
        roles = [Role.ADMIN, *(role for role in Role if role is not Role.ADMIN)]
        asked = Request(Actor("test"))
        made = {
            role.value: desk.create_key(role, f"the {role}", replace(asked, request_id=role), rate=rates.get(role))
            for role in roles
        }
        self.follow()
        return {role: answer["secret"] for role, answer in made.items()}

    def follow(self) -> None:
        self.follower.follow(timedelta(0))

    def lose_store(self) -> None:
        self.store.away = True
        self.follow()

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.http.get(path, **options)

    def post(self, path: str, body: Any, **options: Any) -> TestResponse:
        return self.http.post(path, json=body, **options)

    def change(self, path: str, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
        """A change that goes through, seen by this server."""
        response = self.post(path, {"reason": "a test", **body}, headers=headers)
        assert response.status_code == 200, response.text
        self.follow()
        return response.get_json()


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
