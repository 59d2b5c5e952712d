"""Flags files that are too large to be carried out by a worker, whose threads others need. It puts what comes on the
disk, in one request or in parts, without looking into it, and says where to ask what came of it. The server process has
it carried out elsewhere (`bootstrap/loads.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response, request

from rollout.core.documents import instant_text
from rollout.core.errors import InvalidInput, NotAllowed
from rollout.core.keys import Permission
from rollout.service.gate import Gate, token_in
from rollout.service.loads import MOST_BYTES, About, Intake
from rollout.web.asking import asker, check_store
from rollout.web.authorisation import needs
from rollout.web.bodies import BeginBody, PartQuery, read_model, read_options
from rollout.web.errors import NotFound, TooLarge, UnsupportedMediaType
from rollout.web.files import options_in
from rollout.web.parts import Parts
from rollout.web.reading import FILES_BODY, check_json, is_yaml, read_body, read_json_object
from rollout.web.responses import json_response

AT_ONCE = 64 * 1024  # bytes
NEEDED = {"/v1/apply": Permission.APPLY, "/v1/plan": Permission.CHANGE}
YAML_TYPE = "application/yaml"
PART_TYPE = "application/octet-stream"
COMING = 202


def add_large_files(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.post("/apply/in-parts")
    @needs(Permission.APPLY)
    def begin_apply() -> Response:
        return _begun(parts, "apply")

    @blueprint.post("/plan/in-parts")
    @needs(Permission.CHANGE)
    def begin_plan() -> Response:
        return _begun(parts, "plan")

    @blueprint.post("/loads/<load>/parts")
    @needs(Permission.CHANGE)
    def take_part(load: str) -> Response:
        offset = read_options(PartQuery, request.query_string).offset
        intake = _intake(parts)
        _check_same_sender(intake.about(load))
        if intake.append(load, offset, _part()) is None:
            raise _unknown()
        return _said(intake, load)

    @blueprint.get("/loads/<load>")
    @needs(Permission.CHANGE)
    def load(load: str) -> Response:
        return _said(_intake(parts), load)


def largest_body(gate: Gate) -> Callable[[str, Mapping[str, str]], int]:
    """The bytes that may be read of a request's body, by its path and headers: many only where whoever sends it may."""

    def largest(path: str, headers: Mapping[str, str]) -> int:
        needed = NEEDED.get(path)
        token = token_in(headers.get("AUTHORIZATION", ""), headers.get("X_API_KEY"))
        return MOST_BYTES if needed and gate.lets(token, needed) else FILES_BODY

    return largest


def is_large() -> bool:
    """Whether the request in hand announces more than is read here."""
    return (request.content_length or 0) > FILES_BODY


def take_whole(parts: Parts, action: str) -> Response:
    """The body of the request in hand, which is large. Raises UnsupportedMediaType, TooLarge, InvalidInput, and what
    beginning raises."""
    yaml = is_yaml(request)
    if not yaml:
        check_json(request)
    size = request.content_length or 0
    _check_size(size)
    intake = _intake(parts)
    load = _begin(parts, intake, action, size, yaml=yaml)
    try:
        _receive(intake, load, size)
    except Exception:  # of whatever kind
        intake.drop(load)
        raise
    return _coming(intake, load)


def _begun(parts: Parts, action: str) -> Response:
    body = read_model(BeginBody, read_json_object(request))
    _check_size(body.size)
    intake = _intake(parts)
    return _coming(intake, _begin(parts, intake, action, body.size, yaml=body.type == YAML_TYPE))


def _begin(parts: Parts, intake: Intake, action: str, size: int, *, yaml: bool) -> str:
    check_store(parts.follower)
    if yaml:
        options_in(request.query_string)  # said now rather than when all has come
    query = request.query_string.decode("latin-1") if yaml else ""
    at = instant_text(datetime.now(UTC))
    load = intake.begin(About(action, asker(), size, yaml, query, uuid.uuid4().hex, at))
    parts.counters.change_asked(action, "taken in")
    return load


def _receive(intake: Intake, load: str, size: int) -> None:
    """Raises InvalidInput where it breaks off."""
    received = 0
    while received < size:
        part = request.stream.read(min(AT_ONCE, size - received))
        if not part:
            raise InvalidInput("the body ended before it was whole", "send it again")
        received = intake.append(load, received, part) or 0


def _part() -> bytes:
    if request.mimetype != PART_TYPE:
        raise UnsupportedMediaType("a part of a body has no type of its own", f"send it as {PART_TYPE}")
    part = read_body(request, FILES_BODY)
    if not part:
        raise InvalidInput("this part is empty", f"send 1 to {FILES_BODY} bytes")
    return part


def _intake(parts: Parts) -> Intake:
    if parts.large_files is None:
        raise TooLarge(f"a flags file is at most {FILES_BODY // 1024} KiB here", "apply it straight to the store")
    return parts.large_files


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise TooLarge(
            f"the body is larger than {MOST_BYTES // 1_000_000} MB", "edit the file beside the server, which loads it"
        )


def _check_same_sender(about: About | None) -> None:
    if about is None:
        raise _unknown()
    if about.asker.key != asker().key:
        raise NotAllowed("this load was begun with another key", "begin one of your own")


def _coming(intake: Intake, load: str) -> Response:
    response = _said(intake, load)
    response.status_code = COMING
    response.headers["Location"] = f"/v1/loads/{load}"
    return response


def _said(intake: Intake, load: str) -> Response:
    document = intake.read(load)
    if document is None:
        raise _unknown()
    return json_response(document)


def _unknown() -> NotFound:
    return NotFound(
        "this server has no load of this id",
        "ask the server that took it, within an hour of its end; `rollout audit` has what was changed",
    )
