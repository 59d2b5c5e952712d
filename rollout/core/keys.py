"""Keys: who may do what. A key is 256 random bits that were shown once; kept is their SHA-256, so whoever reads the
store or the audit cannot use it. A key works while it is neither revoked nor expired, and may do what its role may,
nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from rollout.core.errors import InvalidInput, RefusedByRule, UnknownKey
from rollout.core.progress import Stop


class Role(StrEnum):
    """Who a key is for: a person's app, our own servers, and the people who look after flags."""

    CLIENT = "client"
    SERVER = "server"
    SUPPORT = "support"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    role: Role
    name: str  # whose it is: the actor in the audit
    digest: str = field(repr=False)  # of the whole token
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked: Stop | None = None
    rate: int | None = None  # requests a second that each worker answers; None: what is usual for the role
    replaced_by: str = ""  # id of the key that took over


Keys: TypeAlias = Mapping[str, Key]
"""By id, in the order in which they were made."""

MOST_KEYS = 1000
MOST_NAME = 64  # characters
HIGHEST_RATE = 1_000_000  # requests a second


class Permission(StrEnum):
    """What a call needs. Each route declares one."""

    EVALUATE = "evaluate"
    RULESET = "ruleset"
    OUTCOMES = "outcomes"
    STATUS = "status"
    EXPLAIN = "explain"
    AUDIT = "audit"
    CHANGE = "change"
    APPLY = "apply"
    APPROVE = "approve"
    KEYS = "keys"
    EXPORT = "export"


_SUPPORT = frozenset({Permission.EVALUATE, Permission.STATUS, Permission.EXPLAIN, Permission.AUDIT})
_OPERATOR = _SUPPORT | {Permission.CHANGE}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.CLIENT: frozenset({Permission.EVALUATE}),
    Role.SERVER: frozenset({Permission.EVALUATE, Permission.RULESET, Permission.OUTCOMES}),
    Role.SUPPORT: _SUPPORT,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: _OPERATOR | {Permission.APPLY, Permission.APPROVE, Permission.KEYS},
    Role.AUDITOR: frozenset({Permission.AUDIT, Permission.EXPORT, Permission.EXPLAIN}),
}
"""An explanation says more than a check does. Auditors make none for an app, but ask what was answered, and why."""

EVERYTHING = frozenset(Permission)

DEFAULT_RATE: Mapping[Role, int | None] = {
    Role.CLIENT: None,
    Role.SERVER: None,
    Role.SUPPORT: 100,
    Role.OPERATOR: 100,
    Role.ADMIN: 100,
    Role.AUDITOR: 100,
}
"""Requests a second that one worker answers to a key that was given no rate of its own. None: as many as come."""

_ROLES = "|".join(Role)
TOKEN = re.compile(rf"rk_(?:{_ROLES})_([a-z0-9]{{12}})_[A-Za-z0-9_-]{{43}}", re.ASCII)
"""What is shown once: rk_<role>_<id>_<256 bits in base64url>."""


def token_of(role: Role, key_id: str, secret: str) -> str:
    return f"rk_{role}_{key_id}_{secret}"


def digest_of_token(token: str) -> str:
    """SHA-256, in hex. Of 256 random bits, so it needs neither salt nor stretching."""
    return hashlib.sha256(token.encode()).hexdigest()


def key_with(token: str, keys: Keys) -> Key | None:
    """The key that this token is of, also one that no longer works. Found by its id, so that how long it takes says
    nothing of the others; compared in constant time."""
    found = TOKEN.fullmatch(token)
    key = keys.get(found[1]) if found else None
    return key if key and hmac.compare_digest(key.digest, digest_of_token(token)) else None


def condition(key: Key, now: datetime) -> str:
    """ "live", "expired" or "revoked"."""
    if key.revoked:
        return "revoked"
    return "expired" if key.expires_at and now >= key.expires_at else "live"


def with_key(keys: Keys, key: Key, now: datetime) -> Keys:
    """And this one. Raises InvalidInput, and RefusedByRule where nobody could make another one over HTTP, or there are
    too many."""
    _check(key, now)
    if not _admins(keys, now) and key.role is not Role.ADMIN:
        raise RefusedByRule(
            "there is no admin's key, and from the first key on every caller needs one",
            "make that one first: rollout keys create --role admin --name NAME",
        )
    return {**_with_room(keys, now), key.id: key}


def with_revoked(keys: Keys, key_id: str, stop: Stop, *, even_last: bool = False) -> Keys:
    """Without this one from now on; what is revoked stays so. Raises UnknownKey, and, unless `even_last`, RefusedByRule
    for the last key that can make others."""
    key = known(keys, key_id)
    if key.revoked:
        return keys
    if not even_last and _admins(keys, stop.at) == [key_id]:
        raise RefusedByRule(
            "this is the only admin's key that works: without it nobody could make another over HTTP",
            f"replace it at once by `rollout keys rotate {key_id} --overlap 0s`",
        )
    return {**keys, key_id: replace(key, revoked=stop)}


def with_rotated(keys: Keys, key_id: str, fresh: Key, overlap: timedelta, now: datetime) -> Keys:
    """`fresh` takes over, and the one before works on for the overlap. Raises UnknownKey, RefusedByRule."""
    old = known(keys, key_id)
    if condition(old, now) != "live":
        raise RefusedByRule(f"key {key_id} is {condition(old, now)}", "make a new one with `rollout keys create`")
    ends = min(now + overlap, old.expires_at or now + overlap)
    _check(fresh, now)
    return {**_with_room(keys, now), key_id: replace(old, expires_at=ends, replaced_by=fresh.id), fresh.id: fresh}


def known(keys: Keys, key_id: str) -> Key:
    """Raises UnknownKey."""
    key = keys.get(key_id)
    if key is None:
        raise UnknownKey("no key has this id", "`rollout keys list` has the ids")
    return key


def _check(key: Key, now: datetime) -> None:
    if not 0 < len(key.name) <= MOST_NAME or not key.name.isprintable():
        raise InvalidInput("a key is called by a printable name", f"say whose it is, in 1 to {MOST_NAME} characters")
    if key.expires_at and key.expires_at <= now:
        raise InvalidInput("the key would have expired already", "write a length of time such as 90d")
    if key.rate is not None and not 1 <= key.rate <= HIGHEST_RATE:
        raise InvalidInput(f"a rate of {key.rate} requests a second", f"write 1 to {HIGHEST_RATE}")


def _admins(keys: Keys, now: datetime) -> list[str]:
    return [key.id for key in keys.values() if key.role is Role.ADMIN and condition(key, now) == "live"]


def _with_room(keys: Keys, now: datetime) -> Keys:
    """For one more. Of those that no longer work the oldest are forgotten; where any key ever was, some key stays."""
    if len(keys) < MOST_KEYS:
        return keys
    spent = next((key.id for key in keys.values() if condition(key, now) != "live"), None)
    if spent is None:
        raise RefusedByRule(f"there are {len(keys)} keys, all of which work", "revoke some that nobody uses")
    return {key_id: key for key_id, key in keys.items() if key_id != spent}
