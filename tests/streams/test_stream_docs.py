"""docs/streams.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from streamkit import Reader, hub_at

from rollout.bootstrap.settings import DEFAULTS
from rollout.streams.frames import Head
from rollout.telemetry import StreamGauges

PAGE = (Path(__file__).parents[2] / "docs" / "streams.md").read_text()


def test_every_metric_is_on_the_page_and_counts():
    registry = CollectorRegistry()
    hub, loop = hub_at(7)
    gauges = StreamGauges(hub, registry)
    for _ in range(3):
        hub.enter(Reader())
    hub.refused["full"] += 2
    for revision in (8, 9):
        hub.news(Head(revision, 1))
        loop.advance(1)
        gauges.flush()
    scraped = generate_latest(registry).decode()
    assert set(re.findall(r"^# TYPE (\w+)", scraped, re.M)) == set(re.findall(r"^\| `(rollout_\w+)", PAGE, re.M))
    for line in ("rollout_streams_open 3.0", "rollout_stream_events_total 6.0", '{reason="full"} 2.0'):
        assert line in scraped


def test_every_setting_is_on_the_page_with_its_default():
    rows = dict(re.findall(r"^\| `--(stream-\w+)` \| (.*) \|$", PAGE, re.M))
    assert {name.replace("-", "_") for name in rows} == {name for name in DEFAULTS if name.startswith("stream_")}
    assert f"{int(DEFAULTS['stream_cap']):,}" in rows["stream-cap"]
    assert DEFAULTS["stream_heartbeat"] in rows["stream-heartbeat"]
