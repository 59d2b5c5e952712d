"""What the tests of the console stand on: a site with a few weeks behind it, whose store has a clock that the test
holds; the same over HTTP for a browser; and shorthands for its forms."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from webkit import Site, WatchedStore, read
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from rollout.core.audit import Actor
from rollout.core.draws import CONTROL, INSIDE
from rollout.core.outcomes import SUCCESS, Outcome, Side, group_name
from rollout.service.controller import Controller
from rollout.service.draws import PERIOD_MS, comparable
from rollout.service.follower import Follower
from rollout.service.operations import Operations, Request
from rollout.service.ports import Counted
from rollout.stores.memory import MemoryFlagStore, wall_clock_ms

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

HINDI = "किसी व्यक्ति को UPI से पैसे भेजें"
DUTCH = "Betaalverzoeken, ook als 't druk is"

FILE = f"""\
version: 1

attributes:
  user_id: {{ type: string }}
  country: {{ type: string, values: [IN, GB, NL] }}
  app_version: {{ type: version }}
  bank: {{ type: string, values: [SBI, ICICI, HDFC] }}

segments:
  employees:
    description: On the payroll, by their user id
    members: {{ file: employees.txt }}
  india:
    description: People with a number from India and an app that can pay
    match: {{ country: IN, app_version: ">=2.18.9" }}
  europe:
    description: Where the regulator has agreed
    match: {{ country: [GB, NL] }}

guards:
  upi-failures:
    description: Transfers that fail for technical reasons
    metric: upi-transfer
    counts: [technical]
    by: bank
    max: 2%
    min_samples: 200
    action: exclude
  upi-failures-overall:
    description: All banks together
    metric: upi-transfer
    counts: [technical]
    max: 5%
    min_samples: 500
    action: halt

flags:
  payments:
    description: {HINDI}
    owner: payments-oncall@example.com
    enabled: true
    tags: [upi, regulated]
    rollout:
      audience: india
      bake: 7d
      guards: [upi-failures, upi-failures-overall]
      stages:
        - {{ name: employees, audience: employees, bake: 1d }}
        - {{ name: first-million, percentage: 1% }}
        - 5%
        - 25%
        - {{ percentage: 50%, approval: true }}
        - 100%

  merchant-payments:
    description: Pay a shop
    owner: merchants@example.com
    enabled: false
    locked: true
    requires: [payments]
    rollout: {{ audience: india, stages: [employees, 1%, 10%, 100%] }}

  payment-requests:
    description: {DUTCH}
    owner: requests@example.com
    enabled: true
    tags: [europe]
    rollout: {{ audience: europe, bake: 2d, stages: [employees, 10%, 50%, 100%] }}

  call-waiting:
    description: A second call while one is running
    owner: calls@example.com
    enabled: true
    rollout: {{ audience: everyone, bake: 1d, stages: [employees, 5%, 100%] }}

  large-groups:
    description: Groups of up to 2,000 people
    owner: groups@example.com
    enabled: true
    rollout: {{ audience: india, bake: 3d, stages: [employees, 1%, 10%, 100%] }}

  status-music:
    description: Music in a status
    owner: status@example.com
    enabled: true
    rollout: {{ audience: india, stages: [employees, 100%] }}

  business-app:
    description: The separate app for small businesses
    owner: business@example.com
    enabled: true
    rules:
      - {{ match: {{ country: [GB] }}, serve: on }}

  new-emoji:
    description: The pictures of this year
    owner: status@example.com
    enabled: true
"""


class Clock:
    """The wall's, shifted by as much as the test says."""

    def __init__(self) -> None:
        self.shift = timedelta(0)

    def __call__(self) -> int:
        return wall_clock_ms() + self.shift // timedelta(milliseconds=1)


class HeldStore(WatchedStore):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._inner = MemoryFlagStore(clock)


class World:
    """A site, and a server beside it that ticks when told."""

    def __init__(self, text: str = FILE) -> None:
        self.clock = Clock()
        self.site = Site(HeldStore(self.clock))
        self.operations = Operations(self.site.store)
        self._follower = Follower(self.site.store)
        self._controller = Controller(self.site.store, self.operations, self._follower, "blr-1:8080")
        self._intents = 0
        self.load(text)

    def load(self, text: str, who: str = "file:flags.yaml") -> None:
        self.operations.load(read(text), Request(Actor(who, "file", "blr-1", "rollout serve")))
        self.settle()

    def settle(self) -> None:
        """Everything that is due happens, and the site has it."""
        self._follower.follow(timedelta(0))
        self._controller.tick()
        self._follower.follow(timedelta(0))
        self.site.follow()

    def settle_all(self) -> None:
        """Until nothing more is due."""
        seen = -1
        while seen != (seen := self.site.follower.current.revision):
            for _ in range(3):  # after a pause, the first only ends the pause
                self.settle()

    def wait(self, span: timedelta, step: timedelta = timedelta(minutes=1)) -> None:
        end = self.clock.shift + span
        while self.clock.shift < end:
            self.clock.shift = min(self.clock.shift + step, end)
            self.settle()

    def ask(self, who: str, reason: str = "") -> Request:
        return Request(Actor(who, host="10.1.2.3", tool="rollout/0.1.0"), reason)

    def transfers(self, bank: str, ok: int, failed: int) -> None:
        for count, how in ((ok, SUCCESS), (failed, "technical")):
            outcome = Outcome("payments", "upi-transfer", Side.ON, how, how, (group_name("bank", bank),))
            self._intents += 1
            if count:
                self.site.store.count([Counted("payments", self._intents, outcome.fields, count)])

    def minutes(self, count: int, **banks: tuple[int, int]) -> None:
        for number in range(count):
            for bank, (ok, failed) in banks.items():
                self.transfers(bank, ok - number % 3, failed + number % 2 if failed else 0)
            self.wait(MINUTE)

    def checks(self, inside: int, control: int) -> None:
        """Lately so many people were asked for on either side of the share of payments, two times each."""
        draw = comparable("payments", self.site.follower.current.evaluator.ruleset)
        assert draw is not None
        counts = {
            "checks": 40 * inside,
            "audience": 40 * inside,
            "inside": 2 * inside,
            "visits": 2 * (inside + control),
        }
        sides = {INSIDE: inside, CONTROL: control}
        self.site.store.draw(
            "payments",
            self.clock() // PERIOD_MS,
            {f"{draw.name}/{what}": count for what, count in counts.items()},
            {
                f"{draw.name}/k{side}": [b"%s %d" % (side.encode(), n) for n in range(count)]
                for side, count in sides.items()
            },
        )

    def beats(self) -> None:
        """Two servers report, one of which fell silent."""
        revision = self.site.follower.current.revision
        for name, kind in (("blr-1:8080", "server"), ("blr-1:8080/4711", "worker"), ("blr-2:8080/4712", "worker")):
            server, _, pid = name.partition("/")
            report = {"kind": kind, "server": server, "host": server.partition(":")[0], "pid": int(pid or 1)}
            report |= {"revision": revision, "stale": False, "trouble": None, "at_ms": self.clock()}
            self.site.store.beat(name, orjson.dumps(report), timedelta(hours=1))


def after_three_weeks() -> World:
    """Flags in every state; payments at 5 %, where one bank began to fail a few minutes ago."""
    world = World()
    do = world.operations
    world.wait(2 * DAY, step=timedelta(hours=6))
    do.set_share("payments", read_share("1%"), world.ask("anna", "First million"))
    do.set_share("call-waiting", read_share("5%"), world.ask("joost", "Beta is good"))
    world.wait(DAY, step=timedelta(hours=12))
    do.kill("call-waiting", world.ask("priya", "Double ringing on old phones, ticket CALLS-812"))
    do.halt("large-groups", world.ask("guard:group-crashes", "crash: 2.1% (63 of 3000) in 10 minutes, at most 1%"))
    do.set_share("payments", read_share("5%"), world.ask("anna", "पहला हफ़्ता ठीक रहा; go on to 5%"))
    world.wait(timedelta(hours=3), step=timedelta(hours=1))
    do.resume("payments", world.ask("anna", "Moves by itself from here"))
    world.minutes(12, SBI=(240, 1), ICICI=(180, 1), HDFC=(120, 0))
    world.minutes(9, SBI=(190, 34), ICICI=(181, 1), HDFC=(122, 0))
    world.settle_all()
    world.checks(inside=812, control=790)
    world.beats()
    return world


def read_share(text: str) -> Any:
    from rollout.core.shares import Share

    return Share.parse(text)


@dataclass(frozen=True)
class Form:
    """A form as a page has it."""

    fields: dict[str, str]
    response: TestResponse


def form_on(site: Site, path: str) -> Form:
    response = site.get(path)
    assert response.status_code == 200, response.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', response.text))
    return Form(fields, response)


def send(site: Site, path: str, on: str | None = None, /, **fields: str) -> TestResponse:
    """Opens the page that the form is on, fills it in and sends it."""
    return site.http.post(path, data={**form_on(site, on or path).fields, **fields})


def log_in(site: Site, key: str, **more: str) -> TestResponse:
    return send(site, "/login", key=key, **more)


class Quiet(WSGIRequestHandler):
    def log(self, *said: Any) -> None:
        """What went right need not be told."""


@contextmanager
def served(world: World) -> Iterator[str]:
    """The site on a port of its own, followed as a worker follows it. One request at a time, as in a worker, but a
    browser's idle connections hold up nobody."""
    stop, turn = threading.Event(), threading.Lock()

    def in_turn(environ: Any, start_response: Any) -> Any:
        with turn:
            return world.site.app(environ, start_response)

    server = make_server("127.0.0.1", 0, in_turn, threaded=True, request_handler=Quiet)
    server.daemon_threads = True
    threads = [
        threading.Thread(target=server.serve_forever, name="web", daemon=True),
        threading.Thread(target=world.site.follower.run, args=[stop], name="follower", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        world.site.store.close()


def eventually(holds: Any, patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
