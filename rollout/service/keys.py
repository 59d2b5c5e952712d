"""The use cases of callers' keys. A key's secret is made here and answered once; what is committed, kept and audited is
its digest. Whoever repeats a request whose answer was lost learns which key was made, not its secret.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rollout.core import keys
from rollout.core.documents import instant_text
from rollout.core.errors import InvalidInput
from rollout.core.keys import Key, Keys, Role
from rollout.core.progress import Stop
from rollout.service.answers import Answer, key_line
from rollout.service.encoding import decode_state
from rollout.service.operations import EPOCH, Operations, Request, moment_of
from rollout.service.ports import FlagStore

OVERLAP = timedelta(hours=24)
LONGEST = timedelta(days=3660)

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class KeyDesk:
    """Makes, rotates, revokes and lists keys. All methods raise StoreUnavailable and RevisionConflict."""

    def __init__(self, store: FlagStore, operations: Operations) -> None:
        self._store = store
        self._operations = operations

    def create(
        self, role: str, name: str, request: Request, *, expires: timedelta | None = None, rate: int | None = None
    ) -> Answer:
        """The answer's `secret` is what the caller sends. `expires`: from now; None for never. Raises InvalidInput,
        RefusedByRule."""
        wanted, lifetime, draft = _role(role), _within_bounds(expires), _Draft()

        def transition(known: Keys, stop: Stop) -> Keys:
            return keys.with_key(known, draft.key(wanted, name, stop, lifetime, rate), stop.at)

        return draft.shown_in(self._operations.change_keys("create_key", transition, request))

    def rotate(
        self, key_id: str, request: Request, *, overlap: timedelta = OVERLAP, expires: timedelta | None = None
    ) -> Answer:
        """Another key of the same role, name, rate and lifetime; both work during the overlap. Raises UnknownKey,
        RefusedByRule."""
        both, lifetime, draft = _within_bounds(overlap) or timedelta(0), _within_bounds(expires), _Draft()

        def transition(known: Keys, stop: Stop) -> Keys:
            old = keys.known(known, key_id)
            lasts = lifetime or (old.expires_at - old.created_at if old.expires_at else None)
            fresh = draft.key(old.role, old.name, stop, lasts, old.rate)
            return keys.with_rotated(known, key_id, fresh, both, stop.at)

        return draft.shown_in(self._operations.change_keys("rotate_key", transition, request))

    def revoke(self, key_id: str, request: Request, *, even_last: bool = False) -> Answer:
        """It stops working, everywhere. Raises UnknownKey, RefusedByRule."""

        def transition(known: Keys, stop: Stop) -> Keys:
            return keys.with_revoked(known, key_id, stop, even_last=even_last)

        return self._operations.change_keys("revoke_key", transition, request)

    def list(self) -> Answer:
        """All of them, those that no longer work included, with the hour in which each was used last."""
        stored = self._store.read([])
        now, used = moment_of(stored).at, self._store.key_uses()
        known = decode_state(stored).keys.values()
        lines = [key_line(key, now) | {"last_used": _hour(used.get(key.id))} for key in known]
        return {"schema_version": 1, "keys": lines, "revision": stored.revision}


@dataclass(frozen=True, slots=True)
class _Draft:
    """The random parts of a key that is about to be made."""

    id: str = field(default_factory=lambda: "".join(secrets.choice(_ALPHABET) for _ in range(12)))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def key(self, role: Role, name: str, stop: Stop, lasts: timedelta | None, rate: int | None) -> Key:
        digest = keys.digest_of_token(keys.token_of(role, self.id, self.secret))
        ends = stop.at + lasts if lasts is not None else None
        return Key(self.id, role, name, digest, stop.at, stop.by, ends, rate=rate)

    def shown_in(self, answer: Answer) -> Answer:
        """None where another request made the key, or none was made."""
        ours = next((key for key in answer["keys"] if key["id"] == self.id), None)
        shown = ours is not None and answer["changed"]
        return answer | {"secret": keys.token_of(Role(ours["role"]), self.id, self.secret) if ours and shown else None}


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise InvalidInput(f"{word[:60]!r} is not a role", f"roles are {', '.join(Role)}") from None


def _within_bounds(span: timedelta | None) -> timedelta | None:
    if span is not None and not timedelta(0) <= span <= LONGEST:
        raise InvalidInput(
            "no key lasts that long", f"write at most {LONGEST.days}d, or leave it out for one that never expires"
        )
    return span


def _hour(hour: int | None) -> str | None:
    """Of hours since 1970."""
    return instant_text(datetime.fromtimestamp(hour * 3600, tz=EPOCH.tzinfo)) if hour is not None else None
