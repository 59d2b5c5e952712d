"""The description of the API says what happens: every route is in it, the answers that the documentation shows fit it,
and nothing that is sent by its rules brings out anything else."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from test_web_docs import examples, founding_site
from webkit import Site, bearing
from werkzeug.test import TestResponse

from rollout.web.openapi import PAGES, PARAMETER, openapi_document
from rollout.web.openapi_calls import CALLS

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@cache
def keyed() -> tuple[Site, dict[str, str]]:
    """One for all that is sent: nothing may break it for those after. The admin's rate is one that nobody reaches."""
    site = Site.with_flags()
    return site, site.make_keys(admin=1_000_000)


def described(site: Site) -> dict[str, Any]:
    document: dict[str, Any] = site.get("/openapi.json").get_json()
    return document


def test_every_route_but_pages_is_described_and_nothing_else(site: Site) -> None:
    rules = [rule for rule in site.app.url_map.iter_rules() if not rule.endpoint.startswith(PAGES)]
    routes = {
        (method.lower(), PARAMETER.sub(r"{\1}", str(rule)))
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    paths = described(site)["paths"]
    assert {(method, path) for path, methods in paths.items() for method in methods} == routes
    names = {rule.endpoint.rpartition(".")[2] for rule in rules}
    assert set(CALLS) == names


def test_it_is_openapi_as_its_own_schema_says(site: Site) -> None:
    document = described(site)
    assert document["openapi"].startswith("3.1")
    for methods in document["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    Draft202012Validator.check_schema(content["schema"])
    assert document == openapi_document(site.app)


def check(document: dict[str, Any], template: str, response: TestResponse) -> None:
    operation = document["paths"][template][response.request.method.lower()]
    described = operation["responses"].get(str(response.status_code))
    assert described, f"{template} is not said to answer {response.status_code}: {response.text}"
    if response.status_code != 304:
        schema = described["content"][response.mimetype]["schema"]
        value = response.get_json() if response.is_json else response.text
        Draft202012Validator(schema).validate(value)


def template_of(site: Site, method: str, address: str) -> str:
    adapter = site.app.url_map.bind("localhost")
    rule, _ = adapter.match(address.partition("?")[0], method=method, return_rule=True)
    return PARAMETER.sub(r"{\1}", str(rule))


def test_the_answers_that_the_documentation_shows_are_as_described() -> None:
    site = founding_site()
    document = described(site)
    for request, _, _ in examples():
        head, _, body = request.partition("\n\n")
        (method, address), *headers = (line.split(maxsplit=1) for line in head.splitlines())
        named = {name.rstrip(":"): value for name, value in headers}
        response = site.http.open(address, method=method, headers=named, data=body.encode())
        check(document, template_of(site, method, address), response)
        site.follow()


def test_answers_of_calls_that_the_documentation_only_names_are_as_described() -> None:
    site, tokens = keyed()
    document = described(site)
    admin = bearing(tokens["admin"])
    for path in ("/v1/status", "/v1/keys", "/metrics", "/healthz", "/readyz", "/openapi.json", "/v1/status/nothing"):
        check(document, template_of(site, "GET", path), site.get(path, headers=admin))
        check(document, template_of(site, "GET", path), site.get(path))


@pytest.mark.parametrize("role", [None, "client", "admin"])
def test_what_is_sent_by_the_description_brings_out_what_it_describes(role: str | None) -> None:
    site, tokens = keyed()
    headers = bearing(tokens[role]) if role else {}
    schema = schemathesis.openapi.from_wsgi("/openapi.json", site.app)

    seen: Counter[int] = Counter()
    for operation in schema.get_all_operations():
        for mode in GenerationMode:
            send_many(operation.ok(), mode, headers, seen)
    assert seen.keys() <= EXPECTED[role]
    assert seen[200 if role else 401] > 10  # it got somewhere


EXPECTED = {
    None: {200, 401},
    "client": {200, 304, 400, 403, 404, 413, 415},
    "admin": {200, 202, 304, 400, 403, 404, 409, 413, 415, 422, 429},
}


def send_many(operation: Any, mode: GenerationMode, headers: dict[str, str], seen: Counter[int]) -> None:
    """As the description says (positive), and not quite so (negative)."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: schemathesis.Case) -> None:
        response = case.call_and_validate(headers=headers, checks=CHECKS)
        seen[response.status_code] += 1

    with suppress(Unsatisfiable):  # where nothing can be wrong about a call
        send()
