"""Whom programs that evaluate by themselves served a flag, for the counts of the day. Like outcomes, it takes a
server's key: whoever could report as they like could make any number of them up.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from rollout.core.context import MAX_TEXT
from rollout.core.draws import CONTROL, INSIDE
from rollout.core.errors import InvalidInput
from rollout.core.keys import Permission
from rollout.web.authorisation import caller, needs
from rollout.web.parts import Parts
from rollout.web.reading import check_host, check_json, parse_json, read_body
from rollout.web.responses import json_response

EXPOSURES_BODY = 1024 * 1024
MOST_PEOPLE = 10_000  # in a request; to put them into sets takes some milliseconds

_SHAPE = 'send {"exposures": {"payments": ["u-1", "u-2"]}}, targeting keys by flag'
_DRAWS_SHAPE = 'send {"draws": {"payments": {"share": "1% of india", "inside": ["u-1"], "control": ["u-2"]}}}'


def exposures(parts: Parts) -> Blueprint:
    blueprint = Blueprint("exposures", __name__, url_prefix="/v1")

    @blueprint.post("/exposures")
    @needs(Permission.OUTCOMES)
    def report_exposures() -> Response:
        if caller().key is None:
            check_host(request, parts.hosts)
        check_json(request)
        document = parse_json(read_body(request, EXPOSURES_BODY))
        people_by_flag, draws = read_exposures(document), read_draws(document)
        flags = parts.follower.current.evaluator.flags
        for flag in people_by_flag.keys() & flags.keys():
            parts.reported(flag, people_by_flag[flag])
        for flag in draws.keys() & flags.keys():
            parts.drawn(flag, *draws[flag])
        accepted = sum(len(people_by_flag[flag]) for flag in people_by_flag.keys() & flags.keys())
        return json_response({"accepted": accepted, "unknown": sorted(people_by_flag.keys() - flags.keys())})

    return blueprint


def read_exposures(document: Any) -> dict[str, list[str]]:
    """Flag -> targeting keys. Raises InvalidInput."""
    found = document.get("exposures") if isinstance(document, dict) else None
    if not isinstance(found, dict) or not all(map(_is_people, found.values())):
        raise InvalidInput("these are no exposures", _SHAPE)
    count = sum(map(len, found.values()))
    if count > MOST_PEOPLE or len(found) > MOST_PEOPLE:
        raise InvalidInput(f"{count} people are too many", f"send at most {MOST_PEOPLE} at a time")
    return found


def read_draws(document: Any) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Flag -> the draw's name, and targeting keys by side; nothing where none are reported. Raises InvalidInput."""
    found = document.get("draws", {})
    if not isinstance(found, dict) or not all(map(_is_draw, found.values())):
        raise InvalidInput("these are no draws", _DRAWS_SHAPE)
    count = sum(len(draw["inside"]) + len(draw["control"]) for draw in found.values())
    if count > MOST_PEOPLE or len(found) > MOST_PEOPLE:
        raise InvalidInput(f"{count} people are too many", f"send at most {MOST_PEOPLE} at a time")
    return {flag: (draw["share"], {INSIDE: draw["inside"], CONTROL: draw["control"]}) for flag, draw in found.items()}


def _is_draw(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("share"), str)
        and _is_people(value.get("inside"))
        and _is_people(value.get("control"))
    )


def _is_people(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and len(one) <= MAX_TEXT for one in value)
