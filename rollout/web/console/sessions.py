"""Who is logged in. A session is a cookie that scripts cannot read and other sites' pages cannot send; it names the key
that was shown and holds nothing of it, is signed by us, and lasts a working day. It is as good as its key: it ends
where that is revoked or expires. Logging out ends it for every copy of the cookie, too.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Request, Response

from rollout.core import sessions as core
from rollout.core.errors import NotAllowed, NotAuthenticated
from rollout.core.keys import Key, Permission
from rollout.service.gate import Caller, Gate
from rollout.web.authorisation import token_sent
from rollout.web.console.forms import Seal

COOKIE = "rollout_session"
LASTS = int(core.LASTS.total_seconds())

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
    """`ended`: those that were logged out of, as this worker knows."""

    def __init__(self, seal: Seal, gate: Gate, ended: Callable[[], core.Ended]) -> None:
        self._seal = seal
        self._gate = gate
        self._ended = ended

    def caller(self, request: Request) -> Caller:
        """Who asks for a page: by a key in a header, as everywhere, or by having logged in. Raises NotAuthenticated,
        TooManyRequests."""
        token = token_sent(request)
        session = self.of(request) if token is None else None
        if session is None:
            return self._gate.caller(token)
        self._check(session)
        return self._gate.holder(session.key)

    def admit(self, token: str) -> Caller:
        """Who logs in with this key. Raises NotAuthenticated, TooManyRequests, and NotAllowed for an app's or a back
        end's."""
        found = self._gate.caller(token)
        if Permission.AUDIT not in found.permissions:
            raise NotAllowed("this key is for programs", "log in with one for support, operators, admins or auditors")
        return found

    def ticket(self, caller: Caller) -> str | None:
        """What opens a stream for their pages; None where anybody opens one."""
        return self._gate.page_ticket(caller)

    def begin(self, response: Response, key: Key, *, secure: bool) -> None:
        session = Session(key, int(self._gate.now()), secrets.token_hex(8))
        value = f"{key.id}.{session.began}.{session.number}.{self._signature(session)}"
        response.set_cookie(COOKIE, value, max_age=LASTS, httponly=True, samesite="Strict", secure=secure)

    def forget(self, response: Response) -> None:
        """Takes the cookie from the browser."""
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict")

    def of(self, request: Request) -> Session | None:
        """The session that a request comes with, over or not. Nothing is asked of the gate for what we did not sign, so
        that nobody uses up the rate of somebody else's key."""
        found = _SESSION.fullmatch(request.cookies.get(COOKIE, ""))
        key = self._gate.known(found[1]) if found else None
        if found is None or key is None:
            return None
        session = Session(key, int(found[2]), found[3])
        return session if hmac.compare_digest(self._signature(session), found[4]) else None

    def _check(self, session: Session) -> None:
        if not 0 <= self._gate.now() - session.began < LASTS:
            raise NotAuthenticated("you were logged in for a day", "log in again")
        if session.id in self._ended():
            raise NotAuthenticated("this session was logged out of", "log in again")

    def _signature(self, session: Session) -> str:
        return self._seal.mark(f"session {session.id} {session.began} {session.key.digest}")
