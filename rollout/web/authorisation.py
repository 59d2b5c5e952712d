"""Who may call what. Each route says which permission it needs, where it is written; one that says nothing keeps the
application from being made, and is refused where it was added later. A key comes in a header and never in a URL, which
logs and histories keep: one that does is refused, and revoked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from flask import Flask, Request, g, request

from rollout.core.errors import NotAllowed
from rollout.core.keys import Permission
from rollout.service.gate import Caller, Gate, token_in

V = TypeVar("V", bound=Callable[..., Any])

Identify: TypeAlias = Callable[[Request], Caller]
"""Says who makes a request. Raises NotAuthenticated, TooManyRequests."""

OPEN = None
"""What a call needs that everybody may make."""

_NEEDS = "_rollout_needs"
_UNDECLARED = object()


def needs(permission: Permission) -> Callable[[V], V]:
    """Declares the view that follows: only callers with this permission reach it."""
    return lambda view: _declared(view, permission)


def open_to_all(view: V) -> V:
    """Declares a view that everybody reaches."""
    return _declared(view, OPEN)


def authorise(app: Flask, gate: Gate, others: Mapping[str, Identify] | None = None) -> None:
    """Puts the gate before every view of `app`, all of which are there by now. `others`: blueprints whose callers are
    known by something else than a header. Raises TypeError for a view without a declaration."""
    known = others or {}
    for endpoint, view in app.view_functions.items():
        if needed_by(view) is _UNDECLARED:
            raise TypeError(f"{endpoint} does not say who may call it: declare it by needs(...) or open_to_all")

    @app.before_request
    def check() -> None:
        gate.refuse_url(request.path, request.query_string)
        if request.routing_exception is not None or request.method == "OPTIONS":
            return  # which tells nothing but what can be called
        needed = needed_by(app.view_functions[request.endpoint or ""])
        if needed is OPEN:
            g.caller = None
        elif isinstance(needed, Permission):
            identify = known.get(request.blueprint or "")
            g.caller = identify(request) if identify else gate.caller(token_sent(request))
            g.caller.check(needed)
        else:
            raise NotAllowed("nobody has said who may call this", "declare it where it is written")


def needed_by(view: Callable[..., Any]) -> Permission | object | None:
    """A permission, OPEN, or something else where nothing was declared."""
    return getattr(view, _NEEDS, _UNDECLARED)


def caller() -> Caller:
    """Who makes the call in hand, which needed a permission."""
    found: Caller = g.caller
    return found


def token_sent(request: Request) -> str | None:
    """What the caller sent as a key."""
    return token_in(request.headers.get("Authorization", ""), request.headers.get("X-API-Key"))


def _declared(view: V, permission: Permission | None) -> V:
    setattr(view, _NEEDS, permission)
    return view
