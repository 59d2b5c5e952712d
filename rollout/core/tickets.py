"""Tickets: what opens a stream of changes for a caller that cannot send a header, as a browser's EventSource cannot. A
ticket may stand in a URL because it is good for a minute and for nothing else, and dies with the key that it is of.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache

from rollout.core.keys import Key, Keys

LASTS = 60  # seconds at most
ANEW = 30  # seconds in which a key's tickets are the same, so that an answer with one in it stays the same as well

PAGE = "page00000000"
"""Stands where others have the id of their key. No key is called so: ids are random."""

_TICKET = re.compile(r"([a-z0-9]{12})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


def ticket_of(key: Key, now: float) -> str:
    """`now`: seconds since 1970. Sealed with what the store keeps of the key, which all servers have (HMAC-SHA-256, RFC
    2104)."""
    ends = int(now) // ANEW * ANEW + LASTS
    return f"{key.id}.{ends}.{_seal(key.id, key.digest, ends)}"


def page_ticket(secret: bytes, now: float) -> str:
    """The same for a page of somebody who has no key: good for whoever has the secret that sessions are signed with."""
    ends = int(now) // ANEW * ANEW + LASTS
    return f"{PAGE}.{ends}.{_page_seal(secret, ends)}"


def is_page_ticket(ticket: str, secret: bytes, now: float) -> bool:
    found = _TICKET.fullmatch(ticket)
    if found is None or found[1] != PAGE or not now < int(found[2]) <= now + LASTS:
        return False
    return hmac.compare_digest(found[3], _page_seal(secret, int(found[2])))


def holder(ticket: str, keys: Keys, now: float) -> Key | None:
    """The key whose ticket this is, also one that no longer works; None for one that is over, or was never given."""
    found = _TICKET.fullmatch(ticket)
    key = keys.get(found[1]) if found else None
    if found is None or key is None or not now < int(found[2]) <= now + LASTS:
        return None
    return key if hmac.compare_digest(found[3], _seal(key.id, key.digest, int(found[2]))) else None


@lru_cache(maxsize=1024)  # each page has one, and for ANEW seconds it is the same for all who show this key
def _seal(key_id: str, digest: str, ends: int) -> str:
    return hmac.new(digest.encode(), f"rollout-stream:v1:{key_id}:{ends}".encode(), hashlib.sha256).hexdigest()


def _page_seal(secret: bytes, ends: int) -> str:
    return hmac.new(secret, f"rollout-page:v1:{ends}".encode(), hashlib.sha256).hexdigest()
