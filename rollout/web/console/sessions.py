"""Who is logged in. A session is a cookie that scripts cannot read and other sites' pages cannot send; it names the key
that was shown and holds nothing of it, is signed by us, and lasts a working day. It is as good as its key: it ends
where that is revoked or expires.
"""

from __future__ import annotations

import hmac
import re

from flask import Request, Response

from rollout.core.errors import NotAllowed, NotAuthenticated
from rollout.core.keys import Key, Permission
from rollout.service.gate import Caller, Gate
from rollout.web.authorisation import token_sent
from rollout.web.console.forms import Seal

COOKIE = "rollout_session"
LASTS = 12 * 3600  # seconds

_SESSION = re.compile(r"([a-z0-9]{12})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


class Sessions:
    def __init__(self, seal: Seal, gate: Gate) -> None:
        self._seal = seal
        self._gate = gate

    def caller(self, request: Request) -> Caller:
        """Who asks for a page: by a key in a header, as everywhere, or by having logged in. Raises NotAuthenticated,
        TooManyRequests."""
        token = token_sent(request)
        key = self._key_of(request.cookies.get(COOKIE, "")) if token is None else None
        return self._gate.holder(key) if key else self._gate.caller(token)

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
        began = int(self._gate.now())
        value = f"{key.id}.{began}.{self._signature(key, began)}"
        response.set_cookie(COOKIE, value, max_age=LASTS, httponly=True, samesite="Strict", secure=secure)

    def end(self, response: Response) -> None:
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict")

    def _key_of(self, value: str) -> Key | None:
        """Whose session it is. Nothing is asked of the gate for what we did not sign, so that nobody uses up the rate
        of somebody else's key."""
        found = _SESSION.fullmatch(value)
        key = self._gate.known(found[1]) if found else None
        if found is None or key is None:
            return None
        began = int(found[2])
        is_ours = hmac.compare_digest(self._signature(key, began), found[3])
        if is_ours and not 0 <= self._gate.now() - began < LASTS:
            raise NotAuthenticated("you were logged in for a day", "log in again")
        return key if is_ours else None

    def _signature(self, key: Key, began: int) -> str:
        return self._seal.mark(f"session {key.id} {began} {key.digest}")
