"""What the tests of the command line share: a desk on a store in memory behind the same gateway function, a service
that answers over real HTTP, and ways to run a command: inside this process, as a process of its own, at a terminal.
"""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from werkzeug.serving import make_server

from rollout.cli.app import app
from rollout.cli.gateway import Address
from rollout.core.audit import Actor
from rollout.core.definitions import FlagFile
from rollout.service.desk import Desk, StoreDesk
from rollout.service.follower import Follower
from rollout.service.operations import Request
from rollout.service.outcomes import Intake
from rollout.service.ports import FlagStore
from rollout.stores.memory import MemoryFlagStore
from rollout.telemetry import Counters
from rollout.web.app import Parts, create_app
from rollout.yaml_files.reader import read_text

PATIENCE = 20.0  # seconds; a bound on hanging, never a measure of speed

FLAGS = """\
version: 1

attributes:
  user_id: { type: string }
  country: { type: string, values: [IN, GB] }
  app_version: { type: version }

segments:
  employees:
    description: On the payroll
    members: { file: employees.txt }
  india:
    description: With a number from India
    match: { country: IN, app_version: ">=2.18.9" }

flags:
  payments:
    description: Send money
    owner: payments@example.com
    enabled: true
    rollout: { audience: india, bake: 7d, stages: [employees, 1%, { percentage: 50%, approval: true }, 100%] }

  merchant-payments:
    description: Pay a shop
    owner: merchants@example.com
    enabled: false
    locked: true
    requires: [payments]
    rollout: { audience: india, stages: [employees, 100%] }

  business-app:
    description: For small shops
    owner: business@example.com
    enabled: true
    rules:
      - { match: { country: GB }, serve: on }
"""
EMPLOYEES = "u-1\nu-2\n"


def read(text: str, name: str, load_members: Callable[[str], bytes]) -> FlagFile:
    return read_text(text, name=name, load_members=load_members)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def rows(self) -> list[list[str]]:
        """The lines of a tab-separated table, the header first."""
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass
class Cli:
    """`rollout` in this process. `store` is what it reaches, `folder` where its files are."""

    folder: Path
    store: FlagStore = field(default_factory=MemoryFlagStore)
    desk_of: Callable[[FlagStore], Desk] = lambda store: StoreDesk.straight(store, read)
    addresses: list[Address] = field(default_factory=list)

    def __call__(self, *words: str, typed: str | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(app, words, obj=self._open, input=typed)
        assert result.exit_code == code, (words, result.exit_code, result.output, result.exception)
        return Result(result.exit_code, result.stdout, result.stderr)

    @contextmanager
    def _open(self, address: Address) -> Iterator[Desk]:
        self.addresses.append(address)
        yield self.desk_of(self.store)

    def write(self, text: str, name: str = "flags.yaml") -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def apply(self, text: str = FLAGS) -> None:
        self("apply", self.write(text), "--yes")

    def standing(self, flag: str) -> dict[str, Any]:
        return self("status", flag, "--json").json


def entries(cli: Cli, *words: str) -> list[dict[str, Any]]:
    """The audit, newest first."""
    found: list[dict[str, Any]] = cli("audit", *words, "--json").json["entries"]
    return found


@contextmanager
def service(store: FlagStore, port: int = 0) -> Iterator[str]:
    """The real web application over real HTTP, following `store` as a worker does. Gives its URL."""
    follower = Follower(store)
    desk = StoreDesk(store, read, lambda: follower.current)
    counters = Counters()
    parts = Parts(follower, desk, counters, Intake(store, follower, counters), lambda: None)
    server = make_server("127.0.0.1", port, create_app(parts), threaded=True)
    stop = threading.Event()
    follower.follow(timedelta(0))
    threads = [threading.Thread(target=follower.run, args=[stop]), threading.Thread(target=server.serve_forever)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()


Behaviour = Callable[[BaseHTTPRequestHandler], None]
"""What a scripted service does with one request."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: dict[str, Any] | None
    agent: str


@contextmanager
def scripted(*behaviours: Behaviour) -> Iterator[tuple[str, list[Asked]]]:
    """A service that does this with one request after the other, the last with all that come later. Gives its URL and
    what it was asked."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(size)
            is_json = self.headers.get("Content-Type") == "application/json"
            body = json.loads(content) if content and is_json else None
            asked.append(Asked(self.command, self.path, body, self.headers.get("User-Agent", "")))
            behaviours[min(len(asked), len(behaviours)) - 1](self)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Not in the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answers(document: object, status: int = 200) -> Behaviour:
    return says(json.dumps(document).encode(), status)


def says(content: bytes, status: int = 200) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return behave


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


class ChangedMeanwhile(StoreDesk):
    """Somebody else changes the flag just after we looked, `times` times."""

    times = 1

    def _somebody_else(self, flag: str, request: Request) -> None:
        if request.dry_run and self.times:
            self.times -= 1
            share = f"0.{self.times + 1}%"
            super().set(flag, share, Request(request.actor, "somebody else"))

    def set(self, flag: str, share: str, request: Request, **more: Any) -> dict[str, Any]:
        answer = super().set(flag, share, request, **more)
        self._somebody_else(flag, request)
        return answer

    def kill(self, flag: str, request: Request) -> dict[str, Any]:
        answer = super().kill(flag, request)
        self._somebody_else(flag, request)
        return answer

    def halt(self, flag: str, request: Request) -> dict[str, Any]:
        answer = super().halt(flag, request)
        if request.dry_run and self.times:
            self.times -= 1
            super().advance(flag, Request(request.actor, "somebody else"))
        return answer

    def plan(self, files: Mapping[str, str], *, prune: bool = False) -> dict[str, Any]:
        answer = super().plan(files, prune=prune)
        super().kill("payments", Request(Actor("somebody"), "somebody else"))
        return answer


class Screen(io.TextIOWrapper):
    """A terminal in memory."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


def run(*words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Result:
    """`rollout` as a process of its own, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "rollout.cli", *words],
        env=environment(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This one, without what would steer the command line."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLOUT_", "NO_COLOR", "LC_"))}
    return kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLUMNS": "120"} | dict(more or {})


def at_terminal(*words: str, typed: str = "", env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """`rollout` at a terminal of its own, where `typed` is typed when it asks. Its exit code and what it showed."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rollout.cli", *words], env=environment(env), stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    shown = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                read_now = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not read_now:
                break
            shown += read_now
            if typed and b"[y/N]" in shown:
                os.write(ours, typed.encode())
                typed = ""
        return process.wait(PATIENCE), shown.decode().replace("\r\n", "\n")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
