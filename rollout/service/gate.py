"""The gate: who asks, and what they may. It knows the keys of the snapshot that this worker serves from, so it waits
for no store; a key that was verified once is known again by one look into a dict. What has to be written (when a key
was used, that one was found in a URL) is only noted here, and carried out by `service.key_chores`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from rollout.core.errors import NotAllowed, NotAuthenticated, TooManyRequests
from rollout.core.keys import (
    DEFAULT_RATE,
    EVERYTHING,
    PERMISSIONS,
    TOKEN,
    Key,
    Keys,
    Permission,
    Role,
    condition,
    key_with,
)
from rollout.core.log_ins import is_person
from rollout.core.tickets import holder, is_page_ticket, page_ticket, ticket_of

BURST = 2  # seconds of its rate that a key may ask for at once

CHALLENGE = 'Bearer realm="rollout"'
"""What WWW-Authenticate says with every 401 (RFC 6750)."""

_SEND_A_KEY = "send Authorization: Bearer rk_…, or X-API-Key: rk_…"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. `is_app`: a person's own device, which sees no more than what it is served, and whose word on
    trusted attributes does not count."""

    permissions: frozenset[Permission]
    key: Key | None = None
    is_app: bool = False

    def check(self, permission: Permission) -> None:
        """Raises NotAllowed."""
        if permission not in self.permissions:
            role = self.key.role if self.key else "caller without a"
            roles = ", ".join(role for role in Role if permission in PERMISSIONS[role])
            raise NotAllowed(f"a {role} key may not do this", f"it takes a key of one of the roles {roles}")


ANYBODY = Caller(EVERYTHING)
"""Whoever asks a service on its own machine that has no keys."""

NOBODY = Caller(frozenset())


@dataclass(slots=True)
class _Verified:
    caller: Caller
    key_id: str
    ends: float | None  # seconds since 1970
    bucket: Bucket | None


@dataclass(slots=True)
class _Table:
    """Who was verified, by token: as many as there are keys, at most. It goes with the keys by which it was done, so
    that no thread writes down, among those of newer keys, what older ones said."""

    keys: Keys
    found: dict[str, _Verified] = field(default_factory=dict)


class Gate:
    """One for each worker; the threads that answer requests ask `caller`. `keys` gives those in force.
    `open_without_keys`: nobody but this machine can reach us. `pages`: seals the tickets of pages whose reader has no
    key; None: there are none."""

    def __init__(
        self,
        keys: Callable[[], Keys],
        *,
        open_without_keys: bool,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
        pages: bytes | None = None,
    ) -> None:
        self._keys = keys
        self._open = open_without_keys
        self._clock = clock
        self._elapsed = elapsed
        self._pages = pages
        self._verified = _Table({})
        self._buckets: dict[str, Bucket] = {}  # by the key's id
        self._leaked: dict[str, None] = {}  # ids that were seen in a URL: refused before the store knows
        self._used: set[str] = set()

    def caller(self, token: str | None) -> Caller:
        """Who sent this. Raises NotAuthenticated, TooManyRequests."""
        keys, table = self._keys(), self._verified
        if keys is not table.keys:
            table = self._verified = _Table(keys)
        if not keys:
            return self._without_keys()
        found = table.found.get(token) if token is not None else None
        if found is None:
            found = self._verify(token, table)
        return self._admit(found)

    def now(self) -> float:
        """Seconds since 1970, by which keys expire."""
        return self._clock()

    def known(self, key_id: str) -> Key | None:
        """The key that has this id, whether it works or not. Says nothing of who asks."""
        return self._keys().get(key_id)

    def holder(self, key: Key) -> Caller:
        """Whoever showed this key before and was remembered by somebody else than us, such as a session. Raises
        NotAuthenticated, TooManyRequests."""
        return self._admit(self._working(key))

    def person(self, key: Key) -> Caller:
        """Somebody who has no key of ours, and whom somebody else vouches for. Raises TooManyRequests."""
        bucket = self._bucket(key)
        if bucket is not None:
            bucket.take(self._elapsed())
        return _caller(key)

    def _admit(self, found: _Verified) -> Caller:
        if found.ends is not None and self._clock() >= found.ends:
            raise NotAuthenticated("this key has expired", "ask an admin to rotate it")
        if found.key_id in self._leaked:
            raise NotAuthenticated("this key was seen in a URL and is revoked", "ask an admin for another one")
        if found.bucket is not None:
            found.bucket.take(self._elapsed())
        self._used.add(found.key_id)
        return found.caller

    def give_back(self, token: str | None) -> None:
        """What `caller` took of the key's rate, where the same request asks again."""
        found = self._verified.found.get(token) if token is not None else None
        if found is not None and found.bucket is not None:
            found.bucket.put_back()

    def ticket(self, caller: Caller) -> str | None:
        """What opens a stream for a caller that cannot send its key there: a person's app."""
        return self.page_ticket(caller) if caller.is_app else None

    def page_ticket(self, caller: Caller) -> str | None:
        """The same for the pages of whoever looks after flags. None where it needs none."""
        if caller.key is None:
            return None
        if not is_person(caller.key.id):
            return ticket_of(caller.key, self._clock())
        return page_ticket(self._pages, self._clock()) if self._pages else None

    def bearer(self, ticket: str) -> Caller:
        """Who was given this ticket. Raises NotAuthenticated."""
        keys = self._keys()
        if not keys:
            return self._without_keys()
        if self._pages and is_page_ticket(ticket, self._pages, self._clock()):
            return Caller(frozenset({Permission.EVALUATE}))
        key = holder(ticket, keys, self._clock())
        if key is None or not self.works(key.id):
            raise NotAuthenticated("this ticket is over", "ask for all flags again; the answer has another one")
        self._used.add(key.id)
        return _caller(key)

    def works(self, key_id: str) -> bool:
        """Whether this key still opens anything."""
        key = self._keys().get(key_id)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return key is not None and key_id not in self._leaked and condition(key, now) == "live"

    def refuse_url(self, path: str, query: bytes) -> None:
        """Raises NotAuthenticated for a URL with a key in it, which from then on opens nothing."""
        if b"%" in query:
            query = unquote_to_bytes(query)
        if b"rk_" not in query and "rk_" not in path:
            return
        found = [match[0] for match in TOKEN.finditer(f"{path}?{query.decode('latin-1')}")]
        for token in found:
            self.leak(token)
        if found:
            raise NotAuthenticated(
                "a key has no place in a URL, where logs and histories keep it; if it worked, it is revoked now",
                "send it in a header: Authorization: Bearer rk_…",
            )

    def visitor(self, token: str | None) -> Caller:
        """The same for calls that are open to everybody, and tell some more."""
        try:
            return self.caller(token)
        except NotAuthenticated:
            return NOBODY

    def lets(self, token: str | None, permission: Permission) -> bool:
        """Whether a request that was not asked for its key yet may go on. Takes nothing of the key's rate."""
        try:
            caller = self.caller(token)
        except (NotAuthenticated, TooManyRequests):
            return False
        self.give_back(token)
        return permission in caller.permissions

    def leak(self, token: str) -> None:
        """This was in a URL, where logs and histories keep it. From now on it opens nothing here, and soon nowhere."""
        key = key_with(token, self._keys())
        if key is not None and key.revoked is None:
            self._leaked[key.id] = None

    def leaked(self) -> list[str]:
        """Ids that are to be revoked. Any thread may ask."""
        keys = self._keys()
        return [key_id for key_id in self._leaked.copy() if key_id in keys and keys[key_id].revoked is None]

    def used(self) -> set[str]:
        """Ids of keys that were used since the last call. One thread asks."""
        used, self._used = self._used, set()
        return used.copy()

    def _without_keys(self) -> Caller:
        if self._open:
            return ANYBODY
        raise NotAuthenticated(
            "this service has no keys yet, and answers nobody without one",
            "make one straight on its store: rollout keys create --role admin --name NAME --url redis://…",
        )

    def _verify(self, token: str | None, table: _Table) -> _Verified:
        if token is None:
            raise NotAuthenticated("this service asks for a key", _SEND_A_KEY)
        key = key_with(token, table.keys)
        if key is None:
            raise NotAuthenticated("no such key", _SEND_A_KEY)
        found = table.found[token] = self._working(key)
        return found

    def _working(self, key: Key) -> _Verified:
        if condition(key, datetime.fromtimestamp(self._clock(), UTC)) == "revoked":
            raise NotAuthenticated("this key is revoked", "ask an admin for another one")
        ends = key.expires_at.timestamp() if key.expires_at else None
        return _Verified(_caller(key), key.id, ends, self._bucket(key))

    def _bucket(self, key: Key) -> Bucket | None:
        """The same for as long as its rate is the same, so that a change of any key fills none."""
        rate = key.rate or DEFAULT_RATE[key.role]
        if rate is None:
            return None
        found = self._buckets.get(key.id)
        if found is None or found.rate != rate:
            found = self._buckets[key.id] = Bucket(rate, self._elapsed())
        return found


def token_in(authorization: str, api_key: str | None) -> str | None:
    """What was sent as a key, in `Authorization: Bearer` or `X-API-Key`."""
    if authorization[:7] == "Bearer ":  # as nearly everybody writes it
        return authorization[7:].strip()
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else api_key


class Bucket:
    """A token bucket: `rate` requests a second, and twice as many at once after a pause."""

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._most = float(BURST * rate)
        self._left = self._most
        self._at = now

    def take(self, now: float) -> None:
        """Raises TooManyRequests."""
        self._left = min(self._most, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            raise TooManyRequests(
                f"more than {self.rate} requests a second with this key", "ask less often, or for a higher --rate"
            )
        self._left -= 1

    def put_back(self) -> None:
        self._left += 1


def _caller(key: Key) -> Caller:
    return Caller(PERMISSIONS[key.role], key, is_app=key.role is Role.CLIENT)
