"""Outcomes that live in Prometheus: asked for once a minute by every server, and counted once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rollout.core.guards import Guard, GuardAction
from rollout.core.progression import Verdict
from rollout.core.shares import Share
from rollout.service.gathering import Gatherer, SourceUnavailable
from rollout.sources.prometheus import ask_prometheus
from tests.progression.test_guarding import acts, guarded_world, health
from tests.progression.worlds import World

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
QUERY = "sum by (ok, class, bank) (increase(upi_transfers_total[1m]))"


@dataclass
class Prometheus:
    """A server that speaks its HTTP API."""

    url: str = ""
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    status: int = 200
    answer: bytes = b""

    def says(self, *series: tuple[dict[str, str], str]) -> None:
        result = [{"metric": labels, "value": [1795424400, value]} for labels, value in series]
        self.answer = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


@contextmanager
def prometheus() -> Iterator[Prometheus]:
    one = Prometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert urlsplit(self.path).path == "/api/v1/query"
            one.asked.append(parse_qs(urlsplit(self.path).query))
            self.send_response(one.status)
            self.send_header("Content-Length", str(len(one.answer)))
            self.end_headers()
            self.wfile.write(one.answer)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        one.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield one
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def source() -> Iterator[Prometheus]:
    with prometheus() as one:
        yield one


def world_of(source: Prometheus, **more: Any) -> tuple[World, list[Gatherer]]:
    guard = Guard("upi", "", "upi-transfer", GuardAction.EXCLUDE, Share.parse("2%"), by="bank")
    world = guarded_world(replace(guard, prometheus=(source.url, QUERY), **more), bake=DAY, servers=2)
    return world, [Gatherer(world.store, server.follower, ask_prometheus) for server in world.servers]


def minutes(world: World, gatherers: list[Gatherer], count: int) -> None:
    for _ in range(count):
        world.wait(MINUTE)
        for gatherer in gatherers:
            gatherer.look()


def test_what_prometheus_counts_is_judged_as_what_is_reported(source: Prometheus) -> None:
    world, gatherers = world_of(source)
    source.says(
        ({"ok": "true", "bank": "ICICI"}, "500.2"),
        ({"ok": "true", "bank": "SBI"}, "80"),
        ({"ok": "false", "class": "technical", "bank": "SBI"}, "19.7"),
    )
    minutes(world, gatherers, 4)
    assert acts(world) == [("exclude", "SBI")]
    entry = world.entries()[-1]
    assert entry["evidence"]["minutes"][-1][1:3] == [20, 100]  # type: ignore[index]  # rounded, and counted once
    assert source.asked[0]["query"] == [QUERY]
    assert float(source.asked[0]["time"][0]) % 60 == 0


def test_a_silent_or_broken_source_is_silence(source: Prometheus) -> None:
    world, gatherers = world_of(source)
    for status, answer in (
        (500, b""),
        (200, b"no json"),
        (200, b"[]"),
        (200, b'{"status":"error","error":"parse error"}'),
        (200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'),
    ):
        source.status, source.answer = status, answer
        world.wait(MINUTE)
        with pytest.raises(SourceUnavailable, match="guard upi"):
            gatherers[0].look()
    source.says(({"ok": "true"}, "NaN"), ({"ok": "true"}, "-3"))
    minutes(world, gatherers, 1)
    assert health(world) is Verdict.SOURCE_SILENT


def test_a_rate_of_those_without_the_flag_is_the_control(source: Prometheus) -> None:
    world, gatherers = world_of(
        source, by=None, max_failures=None, against="control", max_ratio=2, action=GuardAction.HALT
    )
    source.says(
        ({"ok": "true", "on": "true"}, "50"),
        ({"ok": "false", "on": "true"}, "50"),
        ({"ok": "true", "on": "false"}, "98"),
        ({"ok": "false", "on": "false"}, "2"),
    )
    minutes(world, gatherers, 5)
    assert acts(world) == [("halt", "")]
