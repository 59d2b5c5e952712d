"""The client's calls: a query in, who has which flag out."""

from __future__ import annotations

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.web.authorisation import caller, needs
from rollout.web.evaluate import Checker, all_checks_body, check_body, read_query
from rollout.web.responses import json_response


def checks(checker: Checker) -> Blueprint:
    blueprint = Blueprint("checks", __name__)

    @blueprint.get("/v1/flags/<key>")
    @needs(Permission.EVALUATE)
    def check(key: str) -> Response:
        return json_response(check_body(*checker.one(key, read_query(request.query_string), caller())))

    @blueprint.get("/v1/flags")
    @needs(Permission.EVALUATE)
    def check_all() -> Response:
        return json_response(all_checks_body(checker.all(read_query(request.query_string), caller())))

    return blueprint
