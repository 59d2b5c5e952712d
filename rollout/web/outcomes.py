"""What became of the things that people did with a flag, as back ends report it. Who could report as they like could
stop any rollout, so this takes a server's key, or, without keys, is asked under the same names as the operators' calls.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Request, Response, request

from rollout.core.errors import InvalidInput
from rollout.core.keys import Permission
from rollout.service.outcomes import taken_document
from rollout.web.authorisation import caller, needs
from rollout.web.errors import InvalidJson, TooLarge
from rollout.web.parts import Parts
from rollout.web.reading import check_host, check_json, parse_json, read_body
from rollout.web.responses import json_response

OUTCOMES_BODY = 1024 * 1024
MAX_OUTCOMES = 1000  # in a batch: a worker has one thread, and these take it about ten milliseconds


def outcomes(parts: Parts) -> Blueprint:
    blueprint = Blueprint("outcomes", __name__, url_prefix="/v1")

    @blueprint.post("/outcomes")
    @needs(Permission.OUTCOMES)
    def report() -> Response:
        if caller().key is None:
            check_host(request, parts.hosts)
        return json_response(taken_document(parts.outcomes.take(read_batch(request))))

    return blueprint


def read_batch(request: Request) -> list[Any]:
    """The outcomes as they were sent. Raises UnsupportedMediaType, TooLarge, InvalidJson, InvalidInput."""
    check_json(request)
    batch = _listed(parse_json(_body(request)))
    if len(batch) > MAX_OUTCOMES:
        raise InvalidInput(f"{len(batch)} outcomes are too many", f"send at most {MAX_OUTCOMES} at a time")
    return batch


def _body(request: Request) -> bytes:
    try:
        return read_body(request, OUTCOMES_BODY)
    except TooLarge as error:
        raise TooLarge(error.message, "send fewer outcomes at a time") from None


def _listed(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and document.keys() == {"outcomes"} and isinstance(document["outcomes"], list):
        return document["outcomes"]
    raise InvalidJson("the body is no list of outcomes", 'send [...] or {"outcomes": [...]}')
