"""Which web pages may ask: those of the origins that the service was told, checks alone, never an operator's call. A
browser asks first (a preflight), without the page's key; what it is told then holds for ten minutes.
"""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, Response, request

from rollout.core.keys import Permission
from rollout.web.authorisation import needed_by

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, Rollout-Context, X-API-Key",
    "Access-Control-Max-Age": "600",
}


def let_pages_ask(app: Flask, origins: Collection[str]) -> None:
    """Pages of these origins, such as https://app.example.com. None by default."""
    if not origins:
        return

    @app.after_request
    def allow(response: Response) -> Response:
        view = app.view_functions.get(request.endpoint or "")
        if view is None or needed_by(view) is not Permission.EVALUATE:
            return response
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin is not None and origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "ETag"
            if request.method == "OPTIONS":
                response.headers.update(PREFLIGHT)
        return response
