"""Joins the calls to the parts that the bootstrap made. Every answer, also about what does not exist, is JSON with the
same headers; `/metrics` alone speaks Prometheus' format, and the console's pages are pages.
"""

from __future__ import annotations

from flask import Flask, Response, request

from rollout.service.gate import Gate
from rollout.service.publishing import Publisher
from rollout.web.admin import admin
from rollout.web.authorisation import authorise
from rollout.web.catch_up import CatchUp
from rollout.web.checks import checks
from rollout.web.console import Seal, Sessions, console
from rollout.web.cross_origin import let_pages_ask
from rollout.web.errors import answer_errors
from rollout.web.evaluate import Checker
from rollout.web.exposures import exposures
from rollout.web.fast_path import FastPath
from rollout.web.machines import machines, readings
from rollout.web.ofrep import ofrep
from rollout.web.openapi import openapi
from rollout.web.outcomes import outcomes
from rollout.web.parts import FileReport, Parts
from rollout.web.responses import HEADERS, JsonResponse
from rollout.web.ruleset import ruleset

__all__ = ["FileReport", "Parts", "create_app"]


def create_app(parts: Parts) -> Flask:
    app = Flask("rollout.web", static_folder=None)
    app.response_class = JsonResponse
    app.url_map.merge_slashes = False  # it would redirect, with a page of HTML
    checker = Checker(parts.follower, parts.counters, parts.served, parts.served_one)
    gate = parts.gate or Gate(lambda: parts.follower.current.state.keys, open_without_keys=True)
    seal = Seal(parts.console_secret)
    realm = parts.provider.realm if parts.provider else None
    sessions = Sessions(seal, gate, lambda: parts.follower.current.state.ended, realm)
    publisher = parts.publisher or Publisher(lambda: parts.follower.current)
    for blueprint in (
        checks(checker, parts.contexts),
        ofrep(checker, CatchUp(parts.follower), parts.stream, parts.contexts, gate),
        ruleset(parts, publisher),
        outcomes(parts),
        exposures(parts),
        admin(parts),
        machines(parts, gate),
        openapi(),
        console(parts, seal, sessions),
    ):
        app.register_blueprint(blueprint)
    authorise(app, gate, {"console": sessions.caller})
    let_pages_ask(app, parts.origins)
    answer_errors(app, parts.counters)
    parts.counters.watch(lambda: readings(parts))

    @app.after_request
    def finished(response: Response) -> Response:
        for name, value in HEADERS:
            response.headers.setdefault(name, value)
        call = (request.endpoint or "none").rpartition(".")[2]
        parts.counters.responded(call, response.status_code)
        return response

    if parts.fast:
        app.wsgi_app = FastPath(app.wsgi_app, checker, gate, parts.stream, parts.origins)  # type: ignore[method-assign]
    return app
