"""How an open page learns that it is out of date. An event stream tells it that something changed, or, where it has
none, it asks each second; either way it asks here what moved since it was made, which this worker answers from memory,
and is only made anew when something did.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.web.authorisation import caller, needs
from rollout.web.evaluate import read_query
from rollout.web.machines import this_server
from rollout.web.parts import Parts
from rollout.web.responses import json_response

if TYPE_CHECKING:
    from rollout.web.console.pages import Console

MINUTE = 60  # seconds: as often guards judge, which moves no revision

MOVED = "rollout-moved"
"""The event that has a page made anew."""

ALL_ADDRESSES = ("0.0.0.0", "::")

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)((?::\d{1,5})?)")
"""Of a browser, and nothing that would mean something else in a policy."""


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/console/moved")
    @needs(Permission.AUDIT)
    def moved() -> Response:
        response = Response(status=204)
        if has_moved(read_query(request.query_string).get("since", ""), mark(console.parts)):
            response.headers["HX-Trigger"] = MOVED
        return response

    @blueprint.get("/console/stream")
    @needs(Permission.AUDIT)
    def stream() -> Response:
        """Where a page may listen, for the next half a minute; nothing where it has to ask."""
        base = console.parts.stream()
        origin = origin_of_streams(base, request.host)
        if base is None or origin is None:
            return Response(status=204)
        ticket = console.sessions.ticket(caller())
        address = f"{origin}{urlsplit(base).path}/v1/stream"
        return json_response({"url": f"{address}?ticket={quote(ticket)}" if ticket else address})


def origin_of_streams(base: str | None, host: str) -> str | None:
    """Where a browser that reached us as `host` finds the streams of this base URL. Those that listen on all addresses
    it finds under the name that it knows already."""
    parts = urlsplit(base or "")
    found = _ORIGIN.fullmatch(f"{parts.scheme}://{parts.netloc}")
    if found is None or parts.hostname not in ALL_ADDRESSES:
        return found and found[0]
    here = _ORIGIN.fullmatch(f"{parts.scheme}://{host}")
    return here and f"{here[1]}://{here[2]}{found[3]}"


def mark(parts: Parts) -> str:
    """What a page was made from: "7.29394000.1f2e3d4c"."""
    server = this_server(parts)
    said = f"{server['stale']} {server['trouble']} {server['file']}"
    digest = hashlib.sha256(said.encode()).hexdigest()[:8]
    return f"{server['revision']}.{int(time.time()) // MINUTE}.{digest}"


def has_moved(since: str, now: str) -> bool:
    """A worker that lags behind the one that made the page has nothing newer to show."""
    before, after = since.split("."), now.split(".")
    if len(before) != len(after) or not before[0].isdecimal():
        return True
    seen, held = int(before[0][:20]), int(after[0])
    return seen < held or (seen == held and before[1:] != after[1:])
