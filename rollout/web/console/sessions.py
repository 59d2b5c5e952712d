"""Who is logged in. A session is a cookie that scripts cannot read and other sites' pages cannot send; it names the key
that was shown and holds nothing of it, is signed by us, and lasts a working day. It is as good as its key: it ends
where that is revoked or expires. Logging out ends it for every copy of the cookie, too. Of somebody without a key, whom
a provider let in, it says who that is and in which role; it ends where the provider's settings change.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from flask import Request, Response

from rollout.core import sessions as core
from rollout.core.errors import NotAllowed, NotAuthenticated
from rollout.core.keys import Key, Permission, Role
from rollout.core.log_ins import PERSON, is_person, person_with
from rollout.service.gate import Caller, Gate
from rollout.web.authorisation import token_sent
from rollout.web.console.forms import Seal

COOKIE = "rollout_session"
LASTS = int(core.LASTS.total_seconds())

_PERSON = re.compile(
    r"(oidc:[0-9a-f]{12})\.([0-9]{1,12})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{1,600})\.([0-9a-f]{64})", re.ASCII
)
_SESSION = re.compile(r"([a-z0-9]{12})\.([0-9]{1,12})\.([0-9a-f]{16})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """One that we signed. `began`: seconds since 1970."""

    key: Key
    began: int
    number: str

    @property
    def id(self) -> str:
        return core.session_id(self.key.id, self.number)

    @property
    def ends(self) -> datetime:
        return datetime.fromtimestamp(self.began, UTC) + core.LASTS


class Sessions:
    """`ended`: those that were logged out of, as this worker knows. `realm`: the provider that lets people in, and as
    what; None: nobody does."""

    def __init__(self, seal: Seal, gate: Gate, ended: Callable[[], core.Ended], realm: str | None = None) -> None:
        self._seal = seal
        self._gate = gate
        self._ended = ended
        self._realm = realm

    def caller(self, request: Request) -> Caller:
        """Who asks for a page: by a key in a header, as everywhere, or by having logged in. Raises NotAuthenticated,
        TooManyRequests."""
        token = token_sent(request)
        session = self.of(request) if token is None else None
        if session is None:
            return self._gate.caller(token)
        self._check(session)
        return self._gate.person(session.key) if is_person(session.key.id) else self._gate.holder(session.key)

    def admit(self, token: str) -> Caller:
        """Who logs in with this key. Raises NotAuthenticated, TooManyRequests, and NotAllowed for an app's or a back
        end's."""
        found = self._gate.caller(token)
        if Permission.AUDIT not in found.permissions:
            raise NotAllowed("this key is for programs", "log in with one for support, operators, admins or auditors")
        return found

    def vouched_for(self, person: Key) -> Caller:
        """Somebody without a key, whom a provider lets in. Raises TooManyRequests."""
        return self._gate.person(person)

    def now(self) -> float:
        """Seconds since 1970."""
        return self._gate.now()

    def ticket(self, caller: Caller) -> str | None:
        """What opens a stream for their pages; None where anybody opens one."""
        return self._gate.page_ticket(caller)

    def begin(self, response: Response, key: Key, *, secure: bool) -> None:
        session = Session(key, int(self._gate.now()), secrets.token_hex(8))
        told = [_written(key)] if is_person(key.id) else []
        value = ".".join([key.id, str(session.began), session.number, *told, self._signature(session)])
        response.set_cookie(COOKIE, value, max_age=LASTS, httponly=True, samesite="Strict", secure=secure)

    def forget(self, response: Response) -> None:
        """Takes the cookie from the browser."""
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict")

    def of(self, request: Request) -> Session | None:
        """The session that a request comes with, over or not. Nothing is asked of the gate for what we did not sign, so
        that nobody uses up the rate of somebody else's key."""
        value = request.cookies.get(COOKIE, "")
        return self._by_log_in(value) if value.startswith(PERSON) else self._by_key(value)

    def _by_key(self, value: str) -> Session | None:
        found = _SESSION.fullmatch(value)
        key = self._gate.known(found[1]) if found else None
        if found is None or key is None:
            return None
        session = Session(key, int(found[2]), found[3])
        return session if hmac.compare_digest(self._signature(session), found[4]) else None

    def _by_log_in(self, value: str) -> Session | None:
        found = _PERSON.fullmatch(value)
        if found is None or self._realm is None:
            return None
        if not hmac.compare_digest(self._person_signature(found[1], int(found[2]), found[3], found[4]), found[5]):
            return None
        return Session(_read(found[1], found[4]), int(found[2]), found[3])

    def _check(self, session: Session) -> None:
        if not 0 <= self._gate.now() - session.began < LASTS:
            raise NotAuthenticated("you were logged in for a day", "log in again")
        if session.id in self._ended():
            raise NotAuthenticated("this session was logged out of", "log in again")

    def _signature(self, session: Session) -> str:
        if is_person(session.key.id):
            return self._person_signature(session.key.id, session.began, session.number, _written(session.key))
        return self._seal.mark(f"session {session.id} {session.began} {session.key.digest}")

    def _person_signature(self, person_id: str, began: int, number: str, written: str) -> str:
        return self._seal.mark(f"person {person_id} {began} {number} {written} {self._realm}")


def _written(person: Key) -> str:
    """Their name and role, for a cookie."""
    return urlsafe_b64encode(orjson.dumps([person.name, person.role.value])).decode().rstrip("=")


def _read(person_id: str, written: str) -> Key:
    """What we wrote, and signed."""
    name, role = orjson.loads(urlsafe_b64decode(written + "=" * (-len(written) % 4)))
    return person_with(person_id, name, Role(role))
