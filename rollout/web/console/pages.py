"""What all pages share: templates that escape whatever they are given, headers that let a page load nothing from
elsewhere and run nothing but our own files, and errors as pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from flask import Blueprint, Request, Response, g, request
from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.exceptions import HTTPException

from rollout.core.errors import InvalidFile, RolloutError
from rollout.service.gate import Caller
from rollout.web.console import drawing, words
from rollout.web.console.forms import NAME_COOKIE, Seal
from rollout.web.console.live import mark, origin_of_streams
from rollout.web.console.sessions import Sessions
from rollout.web.errors import STATUS, as_ours, error_document
from rollout.web.machines import this_server
from rollout.web.parts import Parts

POLICY = "; ".join(
    f"{what} {where}"
    for what, where in {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "connect-src": "'self'{streams}",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }.items()
)
"""Nothing inline, nothing evaluated, nothing from another host, and no frame around us. Where the server's streams have
an origin of their own, pages may listen there."""

NOBODY_SAYS = "unknown"
"""Who somebody is that does not say it."""

MOST_NAME = 200  # characters

log = structlog.get_logger("rollout.web")


def _environment() -> Environment:
    """With the page that people see first, so that nobody waits until it is compiled."""
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(words.FILTERS)
    environment.globals.update(words.GLOBALS)
    environment.globals["sparkline"] = drawing.sparkline
    environment.globals["plot"] = drawing.plot
    environment.globals["moments"] = drawing.moments
    for template in ("parts.html", "base.html", "flags.html"):
        environment.get_template(template)
    return environment


@dataclass(frozen=True)
class Console:
    """What the pages are made with. `assets`: the address of each file that pages load."""

    parts: Parts
    seal: Seal
    sessions: Sessions
    assets: Mapping[str, str]
    templates: Environment = field(default_factory=_environment)

    def me(self, request: Request) -> str:
        """Who somebody says that they are."""
        said = "".join(filter(str.isprintable, request.cookies.get(NAME_COOKIE, "")))
        return said[:MOST_NAME] or NOBODY_SAYS

    def page(self, template: str, status: int = 200, **facts: Any) -> Response:
        """A page as the answer to the request in hand."""
        caller: Caller | None = g.get("caller")
        server = this_server(self.parts)
        nonce, is_new = self.seal.nonce(request)
        text = self.templates.get_template(template).render(
            assets=self.assets,
            path=request.path,
            address=address_of(request),
            server=server,
            file_problems=(server["file"] or {}).get("problems") or [],
            mark=mark(self.parts),
            token=self.seal.token(nonce),
            me=request.cookies.get(NAME_COOKIE, ""),
            who=caller.key if caller else None,
            may=caller.permissions if caller else frozenset(),
            **facts,
        )
        response = Response(text, status, content_type="text/html; charset=utf-8")
        streams = origin_of_streams(self.parts.stream(), request.host)
        response.headers["Content-Security-Policy"] = POLICY.format(streams=f" {streams}" if streams else "")
        if is_new:
            self.seal.give(response, nonce, secure=request.is_secure)
        return response


def address_of(request: Request) -> str:
    """What was asked, to ask it again."""
    query = request.query_string.decode(errors="replace")
    return f"{request.path}?{query}" if query else request.path


def answer_errors(blueprint: Blueprint, console: Console) -> None:
    """Makes every error on a page a page."""

    def on_rollout_error(error: RolloutError) -> Response:
        problems = error_document(error)["error"].get("problems", ()) if isinstance(error, InvalidFile) else ()
        return console.page("error.html", STATUS[error.code], error=error, problems=problems)

    def on_http_error(error: HTTPException) -> Response:
        return on_rollout_error(as_ours(error))

    def on_surprise(error: Exception) -> Response:
        log.error("a page failed", method=request.method, path=request.path, exc_info=error)
        return on_rollout_error(RolloutError("something went wrong here", "it was logged; try again"))

    blueprint.register_error_handler(RolloutError, on_rollout_error)
    blueprint.register_error_handler(HTTPException, on_http_error)
    blueprint.register_error_handler(Exception, on_surprise)
