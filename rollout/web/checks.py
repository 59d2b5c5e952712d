"""The client's calls: a query in, who has which flag out."""

from __future__ import annotations

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.web.authorisation import caller, needs
from rollout.web.evaluate import Checker, all_checks_body, check_body, read_query
from rollout.web.responses import json_response
from rollout.web.signed_context import ContextKeys, signed_in


def checks(checker: Checker, contexts: ContextKeys | None) -> Blueprint:
    blueprint = Blueprint("checks", __name__)

    @blueprint.get("/v1/flags/<key>")
    @needs(Permission.EVALUATE)
    def check(key: str) -> Response:
        given = read_query(request.query_string)
        return json_response(check_body(*checker.one(key, given, caller(), signed_in(request, contexts))))

    @blueprint.get("/v1/flags")
    @needs(Permission.EVALUATE)
    def check_all() -> Response:
        given = read_query(request.query_string)
        return json_response(all_checks_body(checker.all(given, caller(), signed_in(request, contexts))))

    return blueprint
