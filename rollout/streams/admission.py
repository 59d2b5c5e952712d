"""Whom a stream is opened for: as everywhere, a key in a header; or, since a browser's EventSource sends none, a ticket
in the URL. A key in the URL is refused, and revoked. Tickets are given to those alone who are asked to ask again: apps,
and the console's pages.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from rollout.core.keys import Permission
from rollout.service.gate import Caller, Gate
from rollout.streams.reading import Request

TICKET = "ticket"


def admitted(gate: Gate, request: Request) -> Caller:
    """Raises NotAuthenticated, NotAllowed, TooManyRequests."""
    gate.refuse_url(request.path, request.query.encode())
    ticket = dict(parse_qsl(request.query, max_num_fields=10)).get(TICKET) if request.query else None
    if ticket and request.token is None:
        return gate.bearer(ticket)
    caller = gate.caller(request.token)
    caller.check(Permission.EVALUATE)
    return caller
