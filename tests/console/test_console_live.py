"""Where an open page is told of changes: the address that it gets, and the policy that lets it listen there alone."""

from __future__ import annotations

import pytest
from consolekit import log_in
from webkit import Site

from rollout.core.tickets import holder
from rollout.web.console.live import origin_of_streams


def site_with_streams(base: str | None) -> Site:
    site = Site.with_flags()
    site.serve_with(stream=lambda: base)
    return site


def connect_src(site: Site) -> str:
    policy = site.get("/").headers["Content-Security-Policy"]
    return next(part for part in policy.split("; ") if part.startswith("connect-src"))


def test_a_page_may_listen_where_the_streams_are_and_nowhere_else() -> None:
    site = site_with_streams("http://127.0.0.1:8081")
    assert connect_src(site) == "connect-src 'self' http://127.0.0.1:8081"
    assert site.get("/console/stream").get_json() == {"url": "http://127.0.0.1:8081/v1/stream"}


def test_behind_a_proxy_it_listens_where_the_proxy_says() -> None:
    site = site_with_streams("https://flags.example.com/rollout")
    assert connect_src(site) == "connect-src 'self' https://flags.example.com"
    assert site.get("/console/stream").get_json() == {"url": "https://flags.example.com/rollout/v1/stream"}


def test_without_streams_a_page_is_sent_nowhere() -> None:
    site = site_with_streams(None)
    assert connect_src(site) == "connect-src 'self'"
    assert site.get("/console/stream").status_code == 204


@pytest.mark.parametrize(
    ("base", "host", "origin"),
    [
        ("http://0.0.0.0:8081", "flags.internal:8080", "http://flags.internal:8081"),
        ("https://[::]:8081", "[fd00::1]:8080", "https://[fd00::1]:8081"),
        ("http://[::1]:8081", "[::1]:8080", "http://[::1]:8081"),
        ("http://0.0.0.0:8081", "evil.example; script-src *", None),
        ("http://a;script-src https://evil.example", "localhost", None),
        ("https://*.example.com", "localhost", None),
        ("", "localhost", None),
        (None, "localhost", None),
    ],
)
def test_the_origin_of_streams_is_one_that_a_browser_reaches(base: str | None, host: str, origin: str | None) -> None:
    assert origin_of_streams(base, host) == origin


@pytest.mark.parametrize("role", ["support", "operator", "admin", "auditor"])
def test_whoever_is_logged_in_gets_a_ticket_of_their_own_key(role: str) -> None:
    site = site_with_streams("http://127.0.0.1:8081")
    keys = site.make_keys()
    assert site.get("/console/stream").status_code == 401
    log_in(site, keys[role])
    address = site.get("/console/stream").get_json()["url"]
    state = site.follower.current.state
    found = holder(address.partition("?ticket=")[2], state.keys, site.parts.gate.now())
    assert found and found.role == role
    assert keys[role] not in address
