"""Answers as JSON, and the headers that are on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response

HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),  # a cached answer would outlive a kill
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),  # addresses hold people's ids
)


class JsonResponse(Response):
    """Also where there is no body, such as for OPTIONS, nothing is called HTML."""

    default_mimetype = "application/json"


def json_response(body: bytes | Mapping[str, Any], status: int = 200) -> Response:
    return JsonResponse(body if isinstance(body, bytes) else orjson.dumps(body), status)
