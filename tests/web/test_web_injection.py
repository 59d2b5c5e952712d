"""Text that somebody sends on purpose: it makes no line in the log, no header, no label, and nothing grows by it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog
from webkit import Site, bearing

from rollout.core.errors import UnknownFlag
from rollout.telemetry import configure_logging
from rollout.web.authorisation import open_to_all
from rollout.web.evaluate import Checker

FORGED = 'ok\r\n{"event": "kill", "level": "info", "actor": "nobody"}\r\n\x1b[2J'


@dataclass
class Log:
    """What is logged, as it is written for machines or for people."""

    as_json: bool
    written: io.StringIO

    def lines(self) -> list[str]:
        return [line for line in self.written.getvalue().split("\n") if line]


@pytest.fixture(params=[True, False], ids=["for machines", "for people"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    configure_logging(json=request.param)
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    log = Log(request.param, io.StringIO())
    handler.setStream(log.written)
    yield log
    root.handlers = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_what_somebody_sends_is_one_line_in_the_log(site: Site, log: Log) -> None:
    body = {"reason": "ok\nkilled by nobody", "request_id": "r-1"}
    assert site.post("/v1/flags/payments/halt", body, headers={"User-Agent": FORGED[:2]}).status_code == 200
    said = log.lines()
    assert len(said) == 1, "\n".join(said)
    assert not log.as_json or json.loads(said[0])["reason"] == body["reason"]


@pytest.mark.parametrize("member", ["reason", "actor", "request_id", "share", "audience"])
def test_control_characters_are_refused_where_they_would_be_shown(site: Site, member: str) -> None:
    response = site.post("/v1/flags/payments/set", {"share": "1%", member: FORGED})
    assert response.status_code == 400
    assert "\x1b" not in response.text
    assert "\r" not in response.text


def test_a_surprise_is_logged_without_what_was_in_its_variables(site: Site, log: Log) -> None:
    token = site.make_keys()["client"]

    @open_to_all
    def broken(rest: str) -> None:
        secret = token
        raise RuntimeError(f"of {len(secret)}")

    site.app.add_url_rule("/broken/<path:rest>", view_func=broken)
    response = site.get(f"/broken/{FORGED}", headers=bearing(token))
    said = log.written.getvalue()
    assert response.status_code == 500
    assert "RuntimeError" in said
    assert token not in said
    assert '\n{"event": "kill"' not in said
    assert "\x1b[2J" not in said


def test_headers_are_made_of_our_own_words_alone(site: Site) -> None:
    for sent in (
        {"Origin": "https://a\tb"},
        {"User-Agent": "x" * 5000},
        {"X-API-Key": "a b"},
        {"If-None-Match": '"é"'},
    ):
        for path in ("/v1/flags/payments", "/nowhere%0d%0aSet-Cookie:%20a=b", "/v1/status/%0d%0aX:%20y"):
            response = site.get(path, headers=sent)
            assert response.status_code < 500
            assert not {"Set-Cookie", "X"} & set(response.headers.keys())
            assert not any(value and value in str(response.headers) for value in sent.values())


def test_by_a_million_names_of_flags_that_do_not_exist_nothing_grows(site: Site) -> None:
    checker = Checker(site.follower, site.counters)
    before = site.counters.scrape()[0].count(b"\n")
    for number in range(1_000_000):
        try:
            checker.one(f"flag-{number}", {})
        except UnknownFlag:
            continue
        raise AssertionError("it exists")
    after = site.counters.scrape()[0]
    assert b"rollout_unknown_flag_checks_total 1e+06" in after
    assert after.count(b"\n") <= before + 1
    assert b"flag-1" not in after
