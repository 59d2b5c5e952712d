"""Web pages of other origins: none may ask, but those that the service was told, and those for checks alone."""

from __future__ import annotations

import pytest
from webkit import Site, bearing

OURS, THEIRS = "https://app.example.com", "https://evil.example"
CHECKS = ("/v1/flags", "/v1/flags/everybody", "/v1/flags/no-such-flag", "/ofrep/v1/evaluate/flags")
OTHERS = (
    "/v1/status",
    "/v1/keys",
    "/v1/apply",
    "/v1/flags/payments/kill",
    "/metrics",
    "/healthz",
    "/readyz",
    "/nowhere",
)


@pytest.fixture
def site() -> Site:
    return Site.with_flags(origins=frozenset({OURS}))


def allowed(site: Site, path: str, origin: str, method: str = "OPTIONS", **headers: str) -> dict[str, str]:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", **headers}
    response = site.http.open(path, method=method, headers=asked, json={} if method == "POST" else None)
    assert response.status_code < 500
    return {name: value for name, value in response.headers if name.startswith("Access-Control-")}


def test_by_default_no_page_may_ask() -> None:
    site = Site.with_flags()
    for path in (*CHECKS, *OTHERS):
        assert allowed(site, path, OURS) == {}


@pytest.mark.parametrize("path", CHECKS)
def test_pages_that_the_service_was_told_may_ask_for_checks(site: Site, path: str) -> None:
    tokens = site.make_keys()
    preflight = allowed(site, path, OURS)  # which comes without a key
    assert preflight["Access-Control-Allow-Origin"] == OURS
    assert "Authorization" in preflight["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in preflight
    method = "POST" if path.startswith("/ofrep") else "GET"
    for headers in (bearing(tokens["client"]), {}):  # an error is told to the page as well
        answer = allowed(site, path, OURS, method, **headers)
        assert (answer["Access-Control-Allow-Origin"], answer["Access-Control-Expose-Headers"]) == (OURS, "ETag")


@pytest.mark.parametrize("path", CHECKS)
@pytest.mark.parametrize("origin", [THEIRS, "null", "*", OURS + ".evil.example", OURS + "/", OURS.upper(), "x\ty"])
def test_other_pages_may_not(site: Site, path: str, origin: str) -> None:
    assert allowed(site, path, origin) == {}
    assert site.http.open(path, headers={"Origin": origin}, method="OPTIONS").headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", OTHERS)
def test_no_page_may_ask_for_anything_but_checks(site: Site, path: str) -> None:
    for method in ("OPTIONS", "GET", "POST"):
        assert allowed(site, path, OURS, method) == {}
