"""What load balancers, orchestrators and Prometheus ask."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.service.gate import Gate
from rollout.service.measures import Readings
from rollout.web.authorisation import needs, open_to_all, token_sent
from rollout.web.parts import Parts
from rollout.web.responses import json_response


def machines(parts: Parts, gate: Gate) -> Blueprint:
    blueprint = Blueprint("machines", __name__)

    @blueprint.get("/healthz")
    @open_to_all
    def healthz() -> Response:
        return json_response({"status": "ok"})

    @blueprint.get("/readyz")
    @open_to_all
    def readyz() -> Response:
        ready = is_ready(parts)
        knows = parts.tells_machines and Permission.STATUS in gate.visitor(token_sent(request)).permissions
        details = this_server(parts) if knows else {}  # a problem of the file names flags
        return json_response({"ready": ready, **details}, 200 if ready else 503)

    if parts.tells_machines:
        _add_metrics(blueprint, parts)
    return blueprint


def _add_metrics(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.get("/metrics")
    @needs(Permission.STATUS)
    def metrics() -> Response:
        body, content_type = parts.counters.scrape()
        return Response(body, content_type=content_type)


def is_ready(parts: Parts) -> bool:
    """There is something to answer from: flags, or the store's word that there are none, where no flags file is here to
    bring any (whoever wants to apply the first one must get through).

    Being stale does not matter: yesterday's flags are better than none.
    """
    if parts.follower.current.revision > 0:
        return True
    report = parts.file_report()
    return not parts.follower.stale and report is not None and report.get("state") == "missing"


def this_server(parts: Parts) -> dict[str, Any]:
    """How the server that answers is, and how it finds its own copy of the flags file."""
    follower, report, record = parts.follower, parts.file_report(), parts.record_report()
    return {
        "revision": follower.current.revision,
        "stale": follower.stale,
        "trouble": follower.trouble,
        "file": None if report is None else dict(report),
        "record": None if record is None else dict(record),
    }


def readings(parts: Parts) -> Readings:
    report = parts.file_report() or {}
    trouble = (parts.record_report() or {}).get("trouble")
    problems = report.get("problem_count", len(report.get("problems") or ()))
    revision, stale = parts.follower.current.revision, parts.follower.stale
    return Readings(revision, stale, problems, parts.unconfirmed(), parts.outcomes.buffered, bool(trouble))
