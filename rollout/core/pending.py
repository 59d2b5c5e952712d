"""Changes that wait for a second person. Each is bound to its exact content and to the revisions that it was made on:
its id is the digest of both, so what is approved is what is carried out, and nothing else. Nobody approves their own;
and since nothing tells whether somebody with a key and somebody whom a provider knows are two persons, all who speak on
one change are known in the same way.

The same record keeps what an admin did alone, break-glass, until another one has seen it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from rollout.core.errors import NotAllowed, RefusedByRule, UnknownChange
from rollout.core.log_ins import is_person
from rollout.core.progress import State, Stop

LIFETIME = timedelta(hours=24)
MOST_PENDING = 100
ID_LENGTH = 12

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Who wants something, and from where. `key`: the id of the key, or of the person (`core.log_ins`), that proves it;
    empty where nothing does."""

    name: str
    key: str = ""
    kind: str = "human"
    host: str = ""
    tool: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    by: str  # the key's name
    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Bound:
    """What a change was made on: the revision of each flag that it concerns (0: not there yet), and that of the file in
    force."""

    flags: Mapping[str, int]
    file: int


@dataclass(frozen=True, slots=True)
class Pending:
    id: str
    action: str  # "set", "load" ...
    flag: str  # empty for a file
    content: Document  # what to do, exactly
    bound: Bound
    raises: tuple[str, ...]  # why it needs more than one person
    by: Person
    reason: str
    ticket: str
    at: datetime
    expires_at: datetime
    needed: int  # agreements, besides whoever proposed it
    approved: tuple[Agreement, ...] = ()
    rejected: Stop | None = None
    done_at: int = 0  # the revision that carried it out, break-glass; 0: it waits


Waiting: TypeAlias = Mapping[str, Pending]
"""By id, oldest first."""


def id_of(action: str, flag: str, content: Document, bound: Bound) -> str:
    whole = [action, flag, content, sorted(bound.flags.items()), bound.file]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def bound_of(state: State, keys: list[str]) -> Bound:
    revisions = {key: state.records[key].revision if key in state.records else 0 for key in sorted(keys)}
    return Bound(revisions, state.file.revision if state.file else 0)


def is_void(one: Pending, state: State) -> bool:
    """Something that it concerns has moved since. `state` has the flags that it concerns."""
    return not one.done_at and one.bound != bound_of(state, list(one.bound.flags))


def is_over(one: Pending, now: datetime) -> bool:
    """It waits no longer, whatever anybody says. What was done break-glass waits until it was seen."""
    return not one.done_at and now >= one.expires_at


def with_proposed(waiting: Waiting, one: Pending, now: datetime) -> Waiting:
    """And this one; those that are over are forgotten, and the same made on other ground. Raises RefusedByRule where it
    was rejected, or too many wait."""
    kept = {
        other.id: other
        for other in without_those_over(waiting, now).values()
        if other.rejected or other.done_at or not _same(other, one)
    }
    for other in kept.values():
        if other.rejected and not one.done_at and _same(other, one):
            raise RefusedByRule(
                f"{other.rejected.by} rejected this as {other.id}", f"they said: {other.rejected.reason or 'nothing'}"
            )
    undecided_yet = [other for other in kept.values() if not other.rejected]
    if len(undecided_yet) >= MOST_PENDING and not one.done_at:
        raise RefusedByRule(
            f"{len(undecided_yet)} changes wait for approval", "`rollout pending` lists them; decide on those"
        )
    return {**kept, one.id: one}


def _same(one: Pending, other: Pending) -> bool:
    return (one.action, one.flag, one.content) == (other.action, other.flag, other.content)


def without_those_over(waiting: Waiting, now: datetime) -> Waiting:
    return {one.id: one for one in waiting.values() if not is_over(one, now)}


def without(waiting: Waiting, change_id: str) -> Waiting:
    return {one.id: one for one in waiting.values() if one.id != change_id}


def undecided(waiting: Waiting, change_id: str, now: datetime) -> Pending:
    """The one that can still be decided on. Raises UnknownChange, RefusedByRule where it expired or was rejected."""
    one = waiting.get(change_id)
    if one is None:
        raise UnknownChange(f"no change {change_id[:40]!r} waits for approval", "`rollout pending` has the ids")
    if is_over(one, now):
        hours = LIFETIME // timedelta(hours=1)
        raise RefusedByRule(f"{change_id} waited for more than {hours} hours", "propose it anew")
    if one.rejected:
        raise RefusedByRule(f"{change_id} was rejected by {one.rejected.by}", "propose another change")
    return one


def agreed(one: Pending, by: Agreement, key_made_at: datetime) -> Pending:
    """With this person's agreement too. Raises NotAllowed for whoever proposed it, by this key or by another of the
    same name, for a key that was made since, for whoever agreed before, and for whoever is known in another way than
    those who spoke."""
    if by.key == one.by.key or by.by == one.by.name:
        raise NotAllowed("nobody approves their own change", "somebody else has to look at it")
    _check_known_alike(one, by)
    if key_made_at >= one.at:
        raise NotAllowed("this key was made after the change was proposed", "use one that was there before")
    if any(by.key == other.key or by.by == other.by for other in one.approved):
        raise NotAllowed(f"{by.by} approved this already", "it takes another person")
    return replace(one, approved=(*one.approved, by))


def _check_known_alike(one: Pending, by: Agreement) -> None:
    for key in filter(None, [one.by.key, *(other.key for other in one.approved)]):
        if is_person(key) != is_person(by.key):
            how, so = ("log-in", "log in there") if is_person(key) else ("key", "log in with a key")
            raise NotAllowed(
                f"others spoke by {how}, and nothing tells whether you are one of them",
                f"{so} to approve this",
            )


def differing(before: Waiting, after: Waiting) -> tuple[tuple[Pending, ...], tuple[str, ...]]:
    """Those that are there anew or otherwise, and the ids of those that are gone."""
    changed = tuple(one for key, one in after.items() if before.get(key) != one)
    return changed, tuple(key for key in before if key not in after)


def with_difference(waiting: Waiting, changed: Iterable[Pending], gone: Collection[str]) -> Waiting:
    """What `differing` told of, made again."""
    kept = {key: one for key, one in waiting.items() if key not in gone}
    return {**kept, **{one.id: one for one in changed}}
