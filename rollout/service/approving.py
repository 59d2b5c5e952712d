"""What takes more than one person. `operations` asks here before each commit, whatever path a change comes by: it may
go ahead, or it waits for others, or it is refused since nobody could tell who they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from rollout.core.audit import Actor
from rollout.core.direction import Raise
from rollout.core.documents import Document, instant_text, pending_document
from rollout.core.errors import InvalidInput, NotAllowed, RefusedByRule
from rollout.core.keys import PERMISSIONS, Key, Permission, condition
from rollout.core.log_ins import is_person, proof_of
from rollout.core.members import lists_no_more
from rollout.core.pending import (
    LIFETIME,
    Agreement,
    Pending,
    Person,
    Waiting,
    bound_of,
    differing,
    id_of,
    is_over,
    with_proposed,
    without,
)
from rollout.core.progress import State

if TYPE_CHECKING:
    from rollout.service.operations import Request

BREAK_GLASS = "break_glass"
"""What the record calls a change that one admin made alone."""

_KEY = "key:"

MOST_TOLD = 20
"""As many reasons are kept and told of each change."""

_FILE = "file"  # the kind of actor that a server is who loads its copy


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that is about to be made to a state. `concerned`: the flags that it moves or raises."""

    state: State
    action: str
    flag: str
    content: Document
    concerned: list[str]
    asks: tuple[Raise, ...]  # what of it takes more than one person


@dataclass(frozen=True, slots=True)
class Ruling:
    """What may be done now. `waits`: nothing, until others agree to this; `pending`: all that waits afterwards."""

    pending: Waiting
    action: str
    waits: Pending | None = None
    approvals: tuple[Document, ...] = ()
    alone: Pending | None = None  # what is done break-glass, to be seen by somebody else


def rule(wanted: Wanted, request: Request, now: datetime) -> Ruling:
    """Raises RefusedByRule, NotAllowed, InvalidInput."""
    state = wanted.state
    if request.approved is not None:
        return _carried_out(wanted, request.approved)
    if not wanted.asks:
        return Ruling(state.pending, wanted.action)
    if request.break_glass:
        return _alone(wanted, request, now)
    _check_may_propose(wanted, request.actor)
    one = _proposal(wanted, request, now)
    known = state.pending.get(one.id)
    if known and not known.rejected and not is_over(known, now):
        return Ruling(state.pending, "propose", waits=known)
    return Ruling(with_proposed(state.pending, one, now), "propose", waits=one)


def approver(state: State, actor: Actor, now: datetime) -> Key:
    """Whose agreement counts. Raises NotAllowed."""
    key = _key_of(state, actor)
    if key is None or condition(key, now) != "live":
        raise NotAllowed(
            "nothing proves who approves this",
            "approve with a key, at the service's URL: straight on a store nobody can",
        )
    if Permission.APPROVE not in PERMISSIONS[key.role]:
        raise NotAllowed(f"a {key.role} key may not approve", "it takes an admin's")
    return key


def agreement(key: Key, now: datetime) -> Agreement:
    return Agreement(key.name, key.id, now)


def actor_of(person: Person) -> Actor:
    proof = proof_of(person.key) if person.key else ""
    return Actor(person.name, person.kind, person.host, person.tool, person.address, proof)


def approval_answer(state: State, asks: Iterable[Raise]) -> Document | None:
    """What an answer says of it; None where one person is enough."""
    because = _told(tuple(asks))
    approvals = state.definitions.approvals
    return {"persons": approvals.persons, "because": because} if approvals and because else None


def _told(asks: Sequence[Raise]) -> list[str]:
    more = len(asks) - MOST_TOLD
    return [*map(str, asks[:MOST_TOLD]), *([f"and {more} more"] if more > 0 else [])]


def pending_difference(before: Waiting, after: Waiting) -> Document | None:
    """For the record."""
    changed, gone = differing(before, after)
    if not changed and not gone:
        return None
    return {"changed": [pending_document(one) for one in changed], "gone": list(gone)}


def listed_by(*sources: Callable[[str], bytes | None]) -> Callable[[str, str], bool]:
    """Looks into member lists, wherever they are kept."""

    def content(digest: str) -> bytes | None:
        return next((found for source in sources if (found := source(digest)) is not None), None)

    def listed(digest: str, other: str) -> bool:
        if digest == other:
            return True
        one, another = content(digest), content(other)
        return one is not None and another is not None and lists_no_more(one, another)

    return listed


def _carried_out(wanted: Wanted, approved: Pending) -> Ruling:
    """Only on the condition that it is the very change that was approved, on the very ground."""
    known = wanted.state.pending.get(approved.id)
    if known != replace(approved, approved=approved.approved[:-1]) or len(approved.approved) < approved.needed:
        raise RefusedByRule(f"{approved.id} was decided on meanwhile", "look again with `rollout pending`")
    if _id(wanted) != approved.id:
        raise void(approved)
    _check_nobody_was_revoked(wanted.state, approved)
    said = tuple({"by": one.by, "key": one.key, "at": instant_text(one.at)} for one in approved.approved)
    return Ruling(without(wanted.state.pending, approved.id), wanted.action, approvals=said)


def _check_nobody_was_revoked(state: State, approved: Pending) -> None:
    """Whoever got hold of a key may have spoken by it before it was revoked."""
    spoke = [approved.by.key, *(one.key for one in approved.approved)]
    for key_id in filter(None, spoke):
        if is_person(key_id):
            continue  # whom no store knows; they were let in when they spoke
        if key_id not in state.keys or state.keys[key_id].revoked:
            raise RefusedByRule(
                f"key {key_id}, by which {approved.id} was proposed or approved, is revoked",
                "reject it, and propose it anew",
            )


def void(one: Pending) -> RefusedByRule:
    return RefusedByRule(
        f"{one.id} is void: what it was made on has moved since", "propose it anew, so that all see what it does now"
    )


def _alone(wanted: Wanted, request: Request, now: datetime) -> Ruling:
    """Break-glass: at once, and shown until somebody else has seen it."""
    if not request.reason.strip():
        raise InvalidInput("--break-glass without a reason", "say why it cannot wait for others, with -m")
    state, key = wanted.state, _key_of(wanted.state, request.actor)
    if request.actor.authenticated and (key is None or Permission.APPROVE not in PERMISSIONS[key.role]):
        raise NotAllowed("only an admin breaks the glass", "it takes an admin's key")
    if request.actor.kind == _FILE:
        raise NotAllowed("a file that changed has nobody's word", "`rollout apply --break-glass` it")
    one = replace(_proposal(wanted, request, now), needed=1, done_at=state.revision + 1)
    said = {"by": request.actor.id, "at": instant_text(now), BREAK_GLASS: wanted.action}
    return Ruling(with_proposed(state.pending, one, now), BREAK_GLASS, approvals=(said,), alone=one)


def _check_may_propose(wanted: Wanted, actor: Actor) -> None:
    state, approvals = wanted.state, wanted.state.definitions.approvals
    persons = approvals.persons if approvals else 0
    needs = f"it takes {persons} persons: {'; '.join(map(str, wanted.asks[:3]))}"
    if not any(Permission.APPROVE in PERMISSIONS[key.role] for key in state.keys.values()):
        raise RefusedByRule(
            f"{needs}; and without keys nobody can tell one person from another",
            "make keys: rollout keys create --role admin --name NAME; or straight on the store: --break-glass",
        )
    if actor.kind != _FILE and _key_of(state, actor) is None:
        raise RefusedByRule(
            f"{needs}; and nothing proves who asks",
            "ask the service with your key; or, where it cannot wait, --break-glass -m REASON",
        )


def _proposal(wanted: Wanted, request: Request, now: datetime) -> Pending:
    """A file proposes in nobody's name, so that all who are needed have to approve."""
    state, approvals = wanted.state, wanted.state.definitions.approvals
    actor, key = request.actor, _key_of(state, request.actor)
    name = key.name if key else actor.id
    return Pending(
        id=_id(wanted),
        action=wanted.action,
        flag=wanted.flag,
        content=wanted.content,
        bound=bound_of(state, wanted.concerned),
        raises=tuple(_told(wanted.asks)),
        by=Person(name, key.id if key else "", actor.kind, actor.host, actor.tool, actor.address),
        reason=request.reason,
        ticket=request.ticket,
        at=now,
        expires_at=now + LIFETIME,
        needed=(approvals.persons if approvals else 0) - (1 if key else 0),
    )


def _id(wanted: Wanted) -> str:
    return id_of(wanted.action, wanted.flag, wanted.content, bound_of(wanted.state, wanted.concerned))


def _key_of(state: State, actor: Actor) -> Key | None:
    """The key that proves who somebody is, or the person whom a provider vouched for."""
    if actor.person is not None or not actor.authenticated.startswith(_KEY):
        return actor.person
    return state.keys.get(actor.authenticated.removeprefix(_KEY))
