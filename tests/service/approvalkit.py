"""A place where raising exposure far takes two persons, and the persons."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rollout.core import log_ins
from rollout.core.approvals import Approvals
from rollout.core.audit import Actor, read_line
from rollout.core.definitions import FlagFile
from rollout.core.flags import Flag
from rollout.core.guards import Guard, GuardAction
from rollout.core.judging import Judgement
from rollout.core.keys import Role, key_with
from rollout.core.shares import Share
from rollout.core.watching import Finding, GroupWatch, Watch
from rollout.service.deciding import ApprovalDesk
from rollout.service.encoding import decode_state, encode_watch
from rollout.service.keys import KeyDesk
from rollout.service.noticing import Notices
from rollout.service.operations import Operations, Request
from rollout.service.ports import Judged
from rollout.stores.memory import MemoryFlagStore
from tests.service.servicekit import SEGMENTS, STAFF, START_MS, file_of, flag, request, stage

TWO = Approvals(2, Share.parse("10%"))
ERRORS = Guard("errors", "", "failed", GuardAction.HALT, max_failures=Share.parse("2%"))
PAYMENTS = flag("payments", "employees", "1%", "5%", "50%", "100%")
WALLET = flag("wallet", "1%", "5%")
FLAGS = (PAYMENTS, WALLET, flag("plain", enabled=False))


def approved_file(
    *flags: Flag,
    approvals: Approvals | None = TWO,
    guards: tuple[Guard, ...] = (ERRORS,),
    segments: dict[str, Any] = SEGMENTS,
    members: bytes = STAFF,
) -> FlagFile:
    said = repr((flags, approvals, guards, segments))
    file = file_of(*flags, text=said, segments=segments, members=members)
    definitions = replace(file.definitions, approvals=approvals, guards={guard.name: guard for guard in guards})
    return replace(file, definitions=definitions)


@dataclass
class Company:
    """Asha and Bela are admins, Omar is an operator. The file is in force; `now_ms` is the store's clock."""

    flags: tuple[Flag, ...] = FLAGS
    approvals: Approvals | None = TWO
    with_keys: bool = True
    now_ms: int = START_MS
    store: Any = None
    keys: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.store or MemoryFlagStore(lambda: self.now_ms)
        quiet = Operations(self.store)
        self.notices = Notices(quiet)
        self.operations = Operations(self.store, self.notices.refused)
        self.desk = ApprovalDesk(self.store, self.operations)
        quiet.load(approved_file(*self.flags, approvals=self.approvals), request())
        for name, role in {"asha": "admin", "bela": "admin", "omar": "operator"}.items() if self.with_keys else ():
            self.hire(name, role)

    def hire(self, name: str, role: str) -> None:
        token = KeyDesk(self.store, Operations(self.store)).create(role, name, request())["secret"]
        key = key_with(token, self.state().keys)
        assert key
        self.keys[name] = key
        self.now_ms += 1000

    def state(self) -> Any:

        return decode_state(self.store.read())

    def by(self, name: str, reason: str = "why", **more: Any) -> Request:
        """With that person's key."""
        return replace(Request(Actor(name, authenticated=f"key:{self.keys[name].id}"), reason), **more)

    def logged_in(self, name: str, role: Role = Role.ADMIN, reason: str = "why", **more: Any) -> Request:
        """Whom the provider vouches for."""
        person = log_ins.person("https://login.example.com", f"id of {name}", name, role)
        return replace(Request(Actor(name, authenticated=person.id, person=person), reason), **more)

    def file(self, *flags: Flag, **more: Any) -> FlagFile:
        return approved_file(*(flags or self.flags), **more)

    def live(self, key: str = "payments") -> dict[str, str]:
        exposure = self.state().records[key].progress.exposure
        return {audience: str(share) for audience, share in exposure.items()}

    def entries(self) -> list[dict[str, Any]]:

        return [read_line(line) for line in self.store.audit(limit=10**6)]

    def noted(self) -> list[dict[str, Any]]:

        return [read_line(line) for line in self.store.notes()]

    def waiting(self) -> list[dict[str, Any]]:
        return list(self.desk.pending()["pending"])


def stages_of(*words: str, **more: Any) -> tuple[Any, ...]:
    return tuple(stage(word, **more) for word in words)


def exclude(operations: Operations, store: Any, key: str, value: str) -> None:
    """As a guard does it."""
    guard = replace(ERRORS, action=GuardAction.EXCLUDE, by="country")
    finding = Finding(guard, value, Judgement(100, True, True, 9.0, 5.0), GroupWatch(), "1/200")
    after = encode_watch(Watch(0))
    operations.trip(key, finding, Judged(store.evidence().get(key), after), Request(Actor("errors", "guard")))
