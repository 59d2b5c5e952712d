"""`GET /openapi.json`: what can be called, made from the routes, what they declare, and the models of bodies. What
those cannot say, which is what a call is for and what it answers, stands in `openapi_calls`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app
from werkzeug.routing import Rule

from rollout import __version__
from rollout.core.keys import PERMISSIONS, Permission, Role
from rollout.web.authorisation import needed_by, open_to_all
from rollout.web.openapi_calls import CALLS, Call, Schema, errors_as, json_content
from rollout.web.responses import json_response

METHODS = ("GET", "POST")
PAGES = "console."  # how endpoints begin that people call, not programs
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")  # of a route, with or without what it may be
WRITING = frozenset({Permission.CHANGE, Permission.APPLY, Permission.KEYS, Permission.APPROVE})

_MEANING = {
    200: "Done, or the answer.",
    202: "Nothing yet: others have to approve it; or it is large, and `Location` says where to ask what came of it.",
    304: "What If-None-Match names is still so.",
    400: "Something in the request cannot be what it is.",
    401: "A key is needed, and none that works was sent; or one was in the URL.",
    403: "The key's role may not do this.",
    404: "There is none of this name.",
    409: "What you saw has changed meanwhile.",
    413: "The body is too large.",
    415: "The body is of a type that is not read here.",
    422: "A rule forbids it.",
    429: "Asked too often; see Retry-After.",
    503: "The store cannot be reached, or nothing is known yet; see Retry-After.",
}


def openapi() -> Blueprint:
    blueprint = Blueprint("openapi", __name__)

    @cache
    def body() -> bytes:
        return orjson.dumps(openapi_document(current_app))

    @blueprint.get("/openapi.json")
    @open_to_all
    def description() -> Response:
        return json_response(body())

    return blueprint


def openapi_document(app: Flask) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        for method in () if rule.endpoint.startswith(PAGES) else METHODS:
            if method in (rule.methods or ()):
                paths.setdefault(_path(rule), {})[method.lower()] = _operation(app, rule, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "rollout", "version": __version__, "description": "Staged rollouts and feature flags."},
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
        },
    }


def _path(rule: Rule) -> str:
    return PARAMETER.sub(r"{\1}", str(rule))


def _operation(app: Flask, rule: Rule, method: str) -> dict[str, Any]:
    name = rule.endpoint.rpartition(".")[2]
    call = CALLS.get(name, Call(f"{method} {_path(rule)}"))
    needed = needed_by(app.view_functions[rule.endpoint])
    permission = needed if isinstance(needed, Permission) else None
    statuses = sorted({*call.statuses, *_usual_statuses(rule, method, call, permission)})
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": call.summary,
        "description": _who(permission),
        "parameters": [*_path_parameters(rule), *call.parameters()],
        "responses": {str(status): _response(status, call, rule) for status in statuses},
        "security": [{"bearer": []}, {"apiKey": []}, {}] if permission else [],  # {}: a service without keys
    }
    body = call.body_content()
    if body:
        operation["requestBody"] = {"required": call.needs_body, "content": body}
    return operation


def _usual_statuses(rule: Rule, method: str, call: Call, permission: Permission | None) -> Iterator[int]:
    yield from (200, 401)
    if permission:
        yield from (403, 429, 503)
    if method == "POST":
        yield from (400, 413, 415)
    if call.query is not None:
        yield 400
    if rule.arguments:
        yield 404
    if permission in WRITING:
        yield from (409, 422)


def _path_parameters(rule: Rule) -> Iterator[Schema]:
    for name in sorted(rule.arguments):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _response(status: int, call: Call, rule: Rule) -> Schema:
    response: Schema = {"description": _MEANING[status]}
    if status == 304:
        return response
    schema = call.answers.get(status) or errors_as(str(rule))
    response["content"] = {call.answer_type: {"schema": schema}} if status == 200 else json_content(schema)
    return response


def _who(permission: Permission | None) -> str:
    if permission is None:
        return "For everybody."
    return "For keys of the roles " + ", ".join(role for role in Role if permission in PERMISSIONS[role]) + "."
