"""From errors to answers: one table of HTTP status, one shape for everybody, and OpenFeature's shape on its own paths.
Nothing that a caller sends makes a 500, and no answer is anything but JSON.
"""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from rollout.core.errors import InvalidFile, InvalidInput, NotAllowed, NotAuthenticated, RolloutError, TooManyRequests
from rollout.service.gate import CHALLENGE
from rollout.service.measures import Counters
from rollout.web.responses import json_response

STATUS = {
    "invalid": 400,
    "invalid_file": 400,
    "invalid_json": 400,
    "not_authenticated": 401,
    "not_allowed": 403,
    "unknown_flag": 404,
    "unknown_key": 404,
    "unknown_change": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "refused": 422,
    "too_many_requests": 429,
    "error": 500,
    "not_prepared": 503,
    "store_unavailable": 503,
    "provider_unavailable": 503,
    "not_yet": 503,
}

RETRY_AFTER = 2
"""Seconds, always a whole number of them: several clients cannot read a date. A server that cannot reach the store
tries again that often."""

ASK_LATER = frozenset({429, 503})

NOT_UNDERSTOOD = frozenset({400, 405, 413, 415})

OFREP_PATHS = "/ofrep/"
OFREP_CODES = {
    "invalid_json": "PARSE_ERROR",
    "invalid": "INVALID_CONTEXT",
    "unknown_flag": "FLAG_NOT_FOUND",
}
"""OpenFeature's words for our codes; all others are GENERAL."""

log = structlog.get_logger("rollout.web")


class InvalidJson(InvalidInput):
    code = "invalid_json"


class NotFound(RolloutError):
    code = "not_found"


class MethodNotAllowed(RolloutError):
    code = "method_not_allowed"


class TooLarge(RolloutError):
    code = "too_large"


class UnsupportedMediaType(RolloutError):
    code = "unsupported_media_type"


def error_document(error: RolloutError) -> dict[str, Any]:
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.hint:
        said["hint"] = error.hint
    if isinstance(error, InvalidFile):
        said["problems"] = [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "severity": problem.severity,
                "message": problem.message,
                "hint": problem.hint,
                "source": problem.source,
            }
            for problem in error.problems
        ]
    return {"error": said}


def ofrep_document(error: RolloutError, key: str | None) -> dict[str, Any]:
    named = {} if key is None else {"key": key}
    details = f"{error.message}; {error.hint}" if error.hint else error.message
    return {**named, "errorCode": OFREP_CODES.get(error.code, "GENERAL"), "errorDetails": details}


def error_response(error: RolloutError) -> Response:
    """The answer to the request in hand that failed so."""
    status = STATUS[error.code]
    if request.path.startswith(OFREP_PATHS):
        document = ofrep_document(error, (request.view_args or {}).get("key"))
    else:
        document = error_document(error)
    response = json_response(document, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = CHALLENGE
    if status in ASK_LATER:
        response.headers["Retry-After"] = str(getattr(error, "retry_after", RETRY_AFTER))
    return response


def answer_errors(app: Flask, counters: Counters) -> None:
    """Makes every error of `app` an answer."""

    def on_rollout_error(error: RolloutError) -> Response:
        if STATUS[error.code] in NOT_UNDERSTOOD:
            counters.request_refused()
        return error_response(error)

    def on_http_error(error: HTTPException) -> Response:
        response = on_rollout_error(as_ours(error))
        allow = error.get_response(request.environ).headers.get("Allow")
        if allow:
            response.headers["Allow"] = allow
        return response

    def on_surprise(error: Exception) -> Response:
        log.error("a request failed", method=request.method, path=request.path, exc_info=error)
        return error_response(RolloutError("something went wrong here", "it was logged; try again"))

    app.register_error_handler(RolloutError, on_rollout_error)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(Exception, on_surprise)


def as_ours(error: HTTPException) -> RolloutError:
    """What Flask refuses by itself, in our words."""
    if error.code == 401:
        return NotAuthenticated("this call needs a key that is known here", "send Authorization: Bearer ...")
    if error.code == 403:
        return NotAllowed("this may not be called by whoever asks")
    if error.code == 404:
        return NotFound("there is nothing at this address", "docs/http.md lists what can be called")
    if error.code == 405:
        return MethodNotAllowed(f"this cannot be called with {request.method}")
    if error.code == 413:
        return TooLarge("the body is too large")
    if error.code == 415:
        return UnsupportedMediaType("the body is of a type that is not read here")
    if error.code == 429:
        return TooManyRequests("this was asked too often", "wait for as long as Retry-After says")
    return InvalidInput(error.description or error.name)
