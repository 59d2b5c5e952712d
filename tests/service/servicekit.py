"""A file, a store with a hand-held clock, and stores that go wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.audit import Actor, read_line
from rollout.core.definitions import Definitions, FlagFile
from rollout.core.errors import StoreUnavailable
from rollout.core.flags import Flag, Rule
from rollout.core.members import digest_of, pack_members
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import FlagRecord, State
from rollout.core.segments import AttributeCondition, Match, MemberList, OneOf, Segment
from rollout.core.shares import EVERYBODY, Share
from rollout.service.encoding import decode_state
from rollout.service.operations import Operations, Request
from rollout.stores.memory import MemoryFlagStore

START_MS = int(datetime(2026, 11, 23, 9, 0, tzinfo=UTC).timestamp() * 1000)
AMIT = Actor("amit", "human", "laptop", "rollout set")
STAFF = pack_members(["u-7", "u-8"])
ATTRIBUTES = {"country": Attribute("country", AttributeType.STRING)}
IN_INDIA = Match((AttributeCondition("country", (OneOf(("IN",)),)),))
SEGMENTS = {
    "employees": Segment("employees", "staff", members=MemberList("employees.txt", digest_of(STAFF), 2)),
    "india": Segment("india", "India", (IN_INDIA,)),
}


def stage(words: str, **more: Any) -> Stage:
    if words.endswith("%"):
        return Stage(words, "india", Share.parse(words), **more)
    return Stage(words, words, EVERYBODY, by_segment=True, **more)


def flag(key: str, *stages: str, **more: Any) -> Flag:
    rollout = Rollout("india", tuple(map(stage, stages))) if stages else None
    words: dict[str, Any] = {"description": "d", "owner": "o", "enabled": True, "salt": key, "rollout": rollout, **more}
    return Flag(key, **words)


PAYMENTS = flag("payments", "employees", "1%", "5%", "100%")
SWITCH = flag("switch", rules=(Rule(IN_INDIA, "on"),))
FLAGS = (PAYMENTS, flag("wallet", "1%", "100%"), SWITCH, flag("plain"))


def file_of(*flags: Flag, text: str = "", segments: dict[str, Segment] = SEGMENTS, members: bytes = STAFF) -> FlagFile:
    """A file whose digest says what is in it, as that of a real one does."""
    definitions = Definitions(ATTRIBUTES, segments, {}, {one.key: one for one in flags})
    text = text or repr(flags)
    digest = digest_of(text.encode() + members)
    return FlagFile("flags.yaml", digest, text, definitions, {digest_of(members): members}, {"flags.payments": 48})


@dataclass
class Place:
    """A store with a file in force, and what happened since."""

    now_ms: int = START_MS
    flags: tuple[Flag, ...] = FLAGS
    store: Any = None
    operations: Operations = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.store or MemoryFlagStore(lambda: self.now_ms)
        self.operations = Operations(self.store)
        if self.flags:
            self.load(*self.flags)

    def load(self, *flags: Flag, **more: Any) -> dict[str, Any]:
        return self.operations.load(file_of(*flags), request(**more))

    def state(self) -> State:
        return decode_state(self.store.read())

    def record(self, key: str = "payments") -> FlagRecord:
        return self.state().records[key]

    def live(self, key: str = "payments") -> dict[str, str]:
        return {audience: str(share) for audience, share in self.record(key).progress.exposure.items()}

    def lines(self) -> list[bytes]:
        return list(self.store.audit(limit=10**6))

    def entries(self) -> list[dict[str, Any]]:
        return [read_line(line) for line in self.lines()]

    def contents(self) -> object:
        """All that the store holds and that a change could touch."""
        return self.store.read(), self.lines()


def request(reason: str = "why", **more: Any) -> Request:
    return replace(Request(AMIT, reason), **more)


class Wrapped:
    """A store in which some calls go another way: `hindrance` gets the name, the call and the arguments."""

    def __init__(self, store: Any, hindrance: Callable[..., Any]) -> None:
        self.store = store
        self.hindrance = hindrance

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.store, name)
        return lambda *arguments, **named: self.hindrance(name, lambda: call(*arguments, **named))


def losing_replies(store: Any, times: int = 1) -> Wrapped:
    """Commits, and then the connection breaks before the answer."""
    left = [times]

    def hindrance(name: str, call: Callable[[], Any]) -> Any:
        result = call()
        if name == "commit" and left[0]:
            left[0] -= 1
            raise StoreUnavailable("the connection broke")
        return result

    return Wrapped(store, hindrance)
