"""Logging in with a key, and out again; `oidc` is the other way in. Only people's keys open pages; the key itself goes
over the line once, in the body of a form, and is kept nowhere. Whoever logs out is out of this browser whatever
happens, and is told where the session could not be ended everywhere.
"""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urlsplit

from flask import Blueprint, Request, Response, g, request

from rollout.core.errors import NotAllowed, NotAuthenticated, RolloutError
from rollout.core.keys import Permission
from rollout.service.gate import Caller
from rollout.web.asking import carry_out
from rollout.web.authorisation import open_to_all
from rollout.web.bodies import ChangeBody
from rollout.web.console.forms import TOKEN, read_form
from rollout.web.console.pages import Console
from rollout.web.console.sessions import Session
from rollout.web.errors import STATUS
from rollout.web.evaluate import read_query

HOME = "/"
ACTIVITY = "/activity"  # where whoever may not see flags begins

_OURS = re.compile(r"/(?![/\\])[\x21-\x7e]*", re.ASCII)
"""An address on this host: `//` and `/\\` would begin another."""


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/login")
    @open_to_all
    def login_page() -> Response:
        return ask(console, address=ours(read_query(request.query_string).get("next", "")))

    @blueprint.post("/login")
    @open_to_all
    def login() -> Response:
        fields = read_form(request)
        console.seal.check(request, fields.get(TOKEN, ""))
        address = ours(fields.get("next", ""))
        try:
            found = console.sessions.admit(fields.get("key", "").strip())
        except (NotAuthenticated, NotAllowed) as error:
            return ask(console, STATUS[error.code], address, error)
        response = to(first_page(found, address))
        if found.key:
            console.sessions.begin(response, found.key, secure=request.is_secure)
        return response

    @blueprint.post("/logout")
    @open_to_all
    def logout() -> Response:
        console.seal.check(request, read_form(request).get(TOKEN, ""))
        session = console.sessions.of(request)
        response = _log_out(console, session) if session else to("/login")
        console.sessions.forget(response)
        return response


def ask(console: Console, status: int = 200, address: str = HOME, refusal: RolloutError | None = None) -> Response:
    """`address`: where to go once somebody is logged in."""
    provider = console.parts.provider
    return console.page(
        "login.html", status, next=address, refusal=refusal, provider=provider.name if provider else None
    )


def _log_out(console: Console, session: Session) -> Response:
    try:
        _end_everywhere(console, session)
    except RolloutError as error:
        g.caller = None
        return ask(console, STATUS[error.code], refusal=_not_everywhere(error, session))
    return to("/login")


def _end_everywhere(console: Console, session: Session) -> None:
    """For every copy of its cookie. Raises RolloutError."""
    desk = console.parts.sessions
    if desk is None:
        return
    with suppress(NotAuthenticated):  # it has ended before
        g.caller = console.sessions.caller(request)
        carry_out(console.parts, "log_out", ChangeBody(), lambda change: desk.end(session.id, session.ends, change))


def _not_everywhere(error: RolloutError, session: Session) -> RolloutError:
    return RolloutError(
        f"this browser is logged out, but the session did not end on the servers: {error.message}",
        f"a copy of its cookie works until {session.ends:%H:%M} UTC, or until its key is revoked",
    )


def answer_strangers(blueprint: Blueprint, console: Console) -> None:
    """Asks whoever is not logged in to do so."""
    blueprint.register_error_handler(NotAuthenticated, lambda error: not_authenticated(console, error))


def not_authenticated(console: Console, error: NotAuthenticated) -> Response:
    """To whoever asked for a page without being logged in. A link on another site brings no cookie along (SameSite=
    Strict), so the browser is told to ask again by itself, and then does."""
    if request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site":
        return console.page("again.html", seconds=0)
    return ask(console, STATUS[error.code], wanted(request), error)


def wanted(request: Request) -> str:
    """The page that somebody wanted, or was on when a part of it was asked for."""
    if "HX-Request" in request.headers:
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
        return ours(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    query = request.query_string.decode(errors="replace")
    return ours(f"{request.path}?{query}" if query else request.path) if request.method == "GET" else HOME


def ours(address: str) -> str:
    """The address where it is one of this host; else the first page."""
    return address if _OURS.fullmatch(address) and not address.startswith(("/login", "/logout")) else HOME


def first_page(caller: Caller, wanted: str) -> str:
    return ACTIVITY if wanted == HOME and Permission.STATUS not in caller.permissions else wanted


def to(address: str) -> Response:
    response = Response(status=303, content_type="text/plain; charset=utf-8")
    response.headers["Location"] = address
    return response
