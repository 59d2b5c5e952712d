"""How an open page learns that it is out of date: it asks each second for what moved since it was made, which this
worker answers from memory, and is only made anew when something did.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.web.authorisation import needs
from rollout.web.evaluate import read_query
from rollout.web.machines import this_server
from rollout.web.parts import Parts

if TYPE_CHECKING:
    from rollout.web.console.pages import Console

MINUTE = 60  # seconds: as often guards judge, which moves no revision

MOVED = "rollout-moved"
"""The event that has a page made anew."""


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/console/moved")
    @needs(Permission.AUDIT)
    def moved() -> Response:
        response = Response(status=204)
        if has_moved(read_query(request.query_string).get("since", ""), mark(console.parts)):
            response.headers["HX-Trigger"] = MOVED
        return response


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
