"""Logging in by the company's own log-in (OpenID Connect, the authorization code flow with PKCE). A log-in belongs to
the browser in which it began: what comes back counts only with the cookie that was given there, for ten minutes. Its
nonce and verifier are made from our secret, so the cookie holds none.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass

from flask import Blueprint, Request, Response, request

from rollout.core.errors import NotAllowed, NotAuthenticated, NotYet, ProviderUnavailable
from rollout.service.identity import Attempt, Provider
from rollout.web.authorisation import open_to_all
from rollout.web.console.forms import Seal
from rollout.web.console.login import ask, first_page, ours, to
from rollout.web.console.pages import Console
from rollout.web.errors import STATUS, NotFound
from rollout.web.evaluate import read_query

COOKIE = "rollout_login"
WITHIN = 600  # seconds
MOST_CODE = 4096  # characters

_BEGUN = re.compile(r"([0-9a-f]{32})\.([0-9]{1,12})\.([0-9a-f]{64})\.(/[\x21-\x7e]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Begun:
    """`next`: where to go afterwards."""

    attempt: Attempt
    next: str


def add(blueprint: Blueprint, console: Console) -> None:
    provider = console.parts.provider

    @blueprint.get("/login/oidc")
    @open_to_all
    def begin() -> Response:
        known = _known(provider)
        address = ours(read_query(request.query_string).get("next", ""))
        state, at = secrets.token_hex(16), int(console.sessions.now())
        try:
            response = to(known.address(_attempt(console.seal, state)))
        except ProviderUnavailable as error:
            return ask(console, STATUS[error.code], address, error)
        value = f"{state}.{at}.{_signature(console.seal, state, at, address)}.{address}"
        # Lax, since the browser comes back from the provider's pages.
        secure = request.is_secure or known.over_https
        response.set_cookie(COOKIE, value, max_age=WITHIN, httponly=True, samesite="Lax", secure=secure, path="/login")
        return response

    @blueprint.get("/login/oidc/callback")
    @open_to_all
    def come_back() -> Response:
        known, begun = _known(provider), _begun(console, request)
        try:
            response = _logged_in(console, known, begun, read_query(request.query_string))
        except NotYet:
            return console.page("again.html", seconds=1)
        except (NotAuthenticated, NotAllowed, ProviderUnavailable) as error:
            response = ask(console, STATUS[error.code], begun.next if begun else "/", error)
        response.delete_cookie(COOKIE, path="/login", httponly=True, samesite="Lax")
        return response


def _logged_in(console: Console, provider: Provider, begun: Begun | None, query: dict[str, str]) -> Response:
    """Raises NotAuthenticated, NotAllowed, ProviderUnavailable, NotYet."""
    if begun is None or not hmac.compare_digest(query.get("state", "").encode(), begun.attempt.state.encode()):
        raise NotAuthenticated("this log-in did not begin in this browser, or took too long", "log in again")
    if "iss" in query and not provider.is_issuer(query["iss"]):  # RFC 9207
        raise NotAuthenticated("this answer is of another provider", "log in again")
    if "error" in query or not 0 < len(query.get("code", "")) <= MOST_CODE:
        raise NotAuthenticated(f"{provider.name} did not let you in", "log in again, or with a key")
    key = provider.identify(query["code"], begun.attempt)
    caller = console.sessions.vouched_for(key)
    response = to(first_page(caller, begun.next))
    console.sessions.begin(response, key, secure=request.is_secure or provider.over_https)
    return response


def _begun(console: Console, request: Request) -> Begun | None:
    found = _BEGUN.fullmatch(request.cookies.get(COOKIE, ""))
    if found is None:
        return None
    state, at, address = found[1], int(found[2]), ours(found[4])
    signed = hmac.compare_digest(_signature(console.seal, state, at, found[4]), found[3])
    in_time = 0 <= console.sessions.now() - at < WITHIN
    return Begun(_attempt(console.seal, state), address) if signed and in_time else None


def _attempt(seal: Seal, state: str) -> Attempt:
    return Attempt(state, seal.mark(f"log-in nonce {state}"), seal.mark(f"log-in verifier {state}"))


def _signature(seal: Seal, state: str, at: int, address: str) -> str:
    return seal.mark(f"log-in {state} {at} {address}")


def _known(provider: Provider | None) -> Provider:
    if provider is None:
        raise NotFound("there is no other log-in than with a key", "log in at /login")
    return provider
