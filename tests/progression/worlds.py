"""A small world to simulate rollouts in: a store with a hand-held clock, and servers that tick when told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.audit import Actor, read_line
from rollout.core.definitions import Definitions, FlagFile
from rollout.core.flags import Flag
from rollout.core.guards import Guard
from rollout.core.members import digest_of, pack_members
from rollout.core.outcomes import SUCCESS, Outcome, Side, group_name
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import FlagRecord, State
from rollout.core.segments import AttributeCondition, Match, MemberList, OneOf, Segment
from rollout.core.shares import EVERYBODY, Share
from rollout.service.controller import Controller
from rollout.service.encoding import decode_state
from rollout.service.follower import Follower
from rollout.service.operations import Operations, Request
from rollout.service.ports import Counted
from rollout.service.replay import replay
from rollout.stores.memory import MemoryFlagStore

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STAFF = pack_members(["u-employee-1", "u-employee-2"])

BANKS = ("SBI", "ICICI", "HDFC")
ATTRIBUTES = {
    "country": Attribute("country", AttributeType.STRING),
    "bank": Attribute("bank", AttributeType.STRING, BANKS),
}
SEGMENTS = {
    "employees": Segment("employees", "staff", members=MemberList("employees.txt", digest_of(STAFF), 2)),
    "india": Segment("india", "India", (Match((AttributeCondition("country", (OneOf(("IN",)),)),)),)),
}


def stage(words: str, bake: timedelta = timedelta(0), *, approval: bool = False) -> Stage:
    """ "employees", or a percentage of india."""
    if words.endswith("%"):
        return Stage(words, "india", Share.parse(words), bake, approval)
    return Stage(words, words, EVERYBODY, bake, approval, by_segment=True)


def payments(*stages: Stage, enabled: bool = True, **more: object) -> Flag:
    flag = Flag("payments", "Pay", "oncall@example.com", enabled, salt="payments", rollout=Rollout("india", stages))
    return replace(flag, **more)  # type: ignore[arg-type]


def flag_file(*flags: Flag, name: str = "", guards: Sequence[Guard] = ()) -> FlagFile:
    named = {guard.name: guard for guard in guards}
    definitions = Definitions(ATTRIBUTES, SEGMENTS, named, {flag.key: flag for flag in flags})
    text = repr((flags, guards))
    return FlagFile("flags.yaml", name or text, text, definitions, {digest_of(STAFF): STAFF})


@dataclass
class World:
    now_ms: int = int(START.timestamp() * 1000)
    servers: list[Controller] = field(default_factory=list)
    intents: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryFlagStore(lambda: self.now_ms)
        self.operations = Operations(self.store)
        self._state = State()

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def server(self) -> Controller:
        """A server that follows the store, as a real one does, before each of its ticks."""
        name = f"server-{len(self.servers)}"
        controller = Controller(self.store, Operations(self.store), Follower(self.store), name)
        self.servers.append(controller)
        return controller

    def tick(self, server: Controller) -> None:
        """Follows first, as a real server does all the time."""
        if server.follower.current.revision != self.store.revision() or server.follower.trouble:
            server.follower.follow(timedelta(0))
        server.tick()

    def wait(self, span: timedelta, *, step: timedelta = timedelta(seconds=30)) -> None:
        """Time passes while every server ticks."""
        end = self.now_ms + span // timedelta(milliseconds=1)
        while self.now_ms < end:
            self.now_ms = min(self.now_ms + step // timedelta(milliseconds=1), end)
            for server in self.servers:
                self.tick(server)

    def sleep(self, span: timedelta) -> None:
        """Time passes while no server is there."""
        self.now_ms += span // timedelta(milliseconds=1)

    def request(self, reason: str = "", who: str = "amit", **more: object) -> Request:
        return Request(Actor(who), reason, **more)  # type: ignore[arg-type]

    def load(self, *flags: Flag, name: str = "", guards: Sequence[Guard] = ()) -> None:
        self.operations.load(flag_file(*flags, name=name, guards=guards), Request(Actor("file", "file")))

    def report(
        self, ok: int = 0, failed: int = 0, *, bank: str = "SBI", side: Side = Side.ON, failure: str = "technical"
    ) -> None:
        """What became of so many transfers of a bank's customers, right now."""
        for count, how in ((ok, SUCCESS), (failed, failure)):
            groups = () if side is Side.DRILL else (group_name("bank", bank),)
            outcome = Outcome("payments", "upi-transfer", side, how, how, groups)
            self.intents += 1
            if count:
                self.store.count([Counted("payments", self.intents, outcome.fields, count)])

    def state(self) -> State:
        if self._state.revision != self.store.revision():
            self._state = decode_state(self.store.read())
        return self._state

    def record(self, key: str = "payments") -> FlagRecord:
        return self.state().records[key]

    def live(self, key: str = "payments") -> dict[str, str]:
        return {audience: str(share) for audience, share in self.record(key).progress.exposure.items()}

    def entries(self) -> list[dict[str, object]]:
        return [read_line(line) for line in self.store.audit(limit=10**6)]

    def replayed(self) -> State:
        return replay(self.store.audit(limit=10**6), self.store.blob)
