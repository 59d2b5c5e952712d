"""Whatever is sent, the answer is JSON that says what was wrong, and never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webkit import FLAGS, Site
from werkzeug.test import TestResponse

from rollout.core import errors
from rollout.web.authorisation import open_to_all
from rollout.web.errors import STATUS

ADDRESSES = (
    "/v1/flags",
    "/v1/flags/payments",
    "/v1/status",
    "/v1/status/payments",
    "/v1/explain/payments",
    "/v1/audit",
    "/v1/audit/notes",
    "/v1/audit/exports",
    "/v1/flags/payments/set",
    "/v1/flags/payments/kill",
    "/v1/flags/payments/revive",
    "/v1/flags/payments/advance",
    "/v1/flags/payments/halt",
    "/v1/flags/payments/resume",
    "/v1/flags/payments/rollback",
    "/v1/simulate/payments",
    "/v1/plan",
    "/v1/apply",
    "/v1/keys/k0000000/rotate",
    "/v1/keys/k0000000/revoke",
    "/ofrep/v1/evaluate/flags",
    "/ofrep/v1/evaluate/flags/payments",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/v1/doctor",
)


def error_in(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.mimetype) == (status, "application/json"), response.text
    error = response.get_json()["error"]
    assert error["code"] == code
    return error


def _all_errors(error: type[errors.RolloutError]) -> Iterator[type[errors.RolloutError]]:
    yield error
    for narrower in error.__subclasses__():
        yield from _all_errors(narrower)


BESIDE_THE_WEB = (
    "rollout.cli.",
    "rollout.client.",
    "rollout.bootstrap.",
    "rollout.core.outcome_times",
    "rollout.service.gathering",
)
"""What only they raise is never the answer to a request: outcomes are refused one by one, and readings are gathered
beside all requests."""


def test_every_error_that_the_product_knows_has_its_status() -> None:
    everything = _all_errors(errors.RolloutError)
    codes = {error.code for error in everything if not error.__module__.startswith(BESIDE_THE_WEB)}
    assert codes == set(STATUS)


def test_what_is_not_there_and_what_cannot_be_called_so_is_json_too(site: Site) -> None:
    error_in(site.get("/v1"), 404, "not_found")
    error_in(site.get("/v1/flags/"), 404, "not_found")
    error_in(site.get("//v1/flags"), 404, "not_found")
    error_in(site.get("/v1/flags/payments/set/more"), 404, "not_found")
    response = site.http.delete("/v1/flags/payments")
    error_in(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert site.http.options("/v1/flags").mimetype == "application/json"


def test_a_large_body_is_refused_also_where_its_length_is_not_said(site: Site) -> None:
    for path in ("/v1/flags/payments/kill", "/ofrep/v1/evaluate/flags"):
        for environment in ({"CONTENT_LENGTH": str(2**20)}, {"wsgi.input_terminated": True}):
            response = site.http.post(
                path,
                input_stream=BytesIO(b" " * 2**20),
                content_type="application/json",
                environ_overrides=environment,
            )
            assert (response.status_code, response.mimetype) == (413, "application/json")


def test_a_body_of_which_only_a_part_arrives_is_refused(site: Site) -> None:
    response = site.http.post(
        "/v1/flags/payments/kill",
        input_stream=BytesIO(b'{"reason": "ha'),
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "500"},
    )
    assert response.status_code == 400


@pytest.mark.parametrize(
    "announced",
    [{"CONTENT_LENGTH": "16"}, {"HTTP_TRANSFER_ENCODING": "chunked"}],
    ids=["by its length", "in chunks"],
)
def test_a_body_that_is_lost_whole_is_not_taken_for_none(site: Site, announced: dict[str, str]) -> None:
    """A server in front of us ends the stream where the client went away."""
    revision = site.store.revision()
    for verb in ("kill", "revive", "advance", "halt", "resume", "rollback"):
        response = site.http.post(
            f"/v1/flags/payments/{verb}",
            input_stream=BytesIO(b""),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True, **announced},
        )
        assert "ended before it was whole" in error_in(response, 400, "invalid")["message"]
    assert site.store.revision() == revision


@pytest.mark.parametrize("host", ["", "a b", "a/b", "[::1", "é", "x" * 5000, "a:99999999", "\x00"])
def test_a_strange_host_is_no_surprise(site: Site, host: str) -> None:
    for path in ("/v1/flags/everybody", "/v1/status", "/nowhere"):
        response = site.get(path, environ_overrides={"HTTP_HOST": host})
        assert response.status_code < 500
        assert response.mimetype == "application/json"


def test_a_surprise_is_logged_and_told_without_its_details(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    @open_to_all
    def broken() -> None:
        raise RuntimeError("the secret of it")

    site.app.add_url_rule("/broken", view_func=broken)
    response = site.get("/broken")
    error_in(response, 500, "error")
    assert "secret" not in response.text
    assert "the secret of it" in "".join(capsys.readouterr())


@cache
def the_site() -> Site:
    """One for all examples: nothing that is sent may break it for those after."""
    return Site.with_flags()


words = st.sampled_from(
    ["user_id", "country", "age", "beta", "app_version", "since", "flag", "limit", "before", "dry_run"]
)
values = st.one_of(st.text(max_size=30), st.sampled_from(["1", "-1", "NaN", "1e400", "true", "\x00", "%", "9" * 400]))
pairs = st.tuples(words | st.text(max_size=10), values).map("=".join)
raw = st.binary(max_size=40).map(lambda content: content.decode("latin-1"))  # as WSGI hands bytes on
queries = st.lists(pairs, max_size=8).map("&".join).map(lambda text: text.encode().decode("latin-1")) | raw
paths = st.sampled_from(ADDRESSES) | st.builds("{}/{}".format, st.sampled_from(ADDRESSES), raw) | raw.map("/{}".format)
methods = st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
members = st.dictionaries(
    st.sampled_from(["context", "share", "reason", "revision", "request_id", "actor", "files", "prune", "dry_run"]),
    json_values | st.dictionaries(words | st.just("targetingKey"), json_values, max_size=4),
    max_size=5,
)
headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "If-None-Match", "User-Agent", "Accept", "Range", "X-Forwarded-For", "Content-Encoding"]
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=30)
    | st.sampled_from(["application/json", "application/yaml", 'W/"x"', "*", "bytes=0-"]),
    max_size=4,
)


def no_surprise(response: TestResponse) -> None:
    assert response.status_code < 500, response.text
    if response.status_code < 400:
        return
    if response.mimetype == "text/html":  # one of the console's pages
        return
    assert response.mimetype == "application/json"
    if response.request.method != "HEAD":
        document = response.get_json()
        assert "errorCode" in document or document["error"]["message"]


@given(method=methods, path=paths, query=queries, headers=headers, body=st.binary(max_size=200))
@settings(max_examples=600, deadline=None)
def test_no_request_makes_a_surprise(method: str, path: str, query: str, headers: dict, body: bytes) -> None:
    asked = {"PATH_INFO": path, "QUERY_STRING": query}
    no_surprise(the_site().http.open(method=method, headers=headers, data=body, environ_overrides=asked))


@given(path=st.sampled_from(ADDRESSES), document=members | json_values)
@settings(max_examples=600, deadline=None)
def test_no_json_makes_a_surprise(path: str, document: Any) -> None:
    no_surprise(the_site().post(path, document))


@given(text=st.text(max_size=300) | st.just(FLAGS), cut=st.integers(0, len(FLAGS)), insert=st.text(max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_yaml_makes_a_surprise(text: str, cut: int, insert: str) -> None:
    for content in (text, FLAGS[:cut] + insert + FLAGS[cut:]):
        data = content.encode("utf-8", "surrogatepass")
        no_surprise(the_site().http.post("/v1/plan", data=data, content_type="application/yaml"))
