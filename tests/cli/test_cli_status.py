"""Where everything stands, in time: what comes next and when, on the reader's clock; and which servers are behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clikit import EMPLOYEES, Cli, Screen

from rollout.cli.one_flag import tell_flag
from rollout.cli.overview import tell_all
from rollout.cli.spread import Spread
from rollout.cli.terminal import Terminal
from rollout.cli.times import day_words, instant_words
from rollout.service.spans import ago, coming_in, span_words
from rollout.stores.memory import MemoryFlagStore

MONDAY = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


class Clock:
    """Held by hand."""

    def __init__(self) -> None:
        self.now = MONDAY

    def __call__(self) -> int:
        return int(self.now.timestamp() * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cli(empty_cli: Cli, clock: Clock) -> Cli:
    empty_cli.store = MemoryFlagStore(clock)
    (empty_cli.folder / "employees.txt").write_text(EMPLOYEES)
    empty_cli.apply()
    return empty_cli


@pytest.fixture
def in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def pass_time(cli: Cli, clock: Clock, span: timedelta) -> None:
    """While a server ticks."""
    until = clock.now + span
    while clock.now < until:
        clock.now += timedelta(minutes=1)
        cli.store.tick()


def shown(cli: Cli, tell: Callable[[Terminal, Any], None], *words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As on a wide terminal without colour."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    screen = Screen()
    tell(Terminal(screen), cli("status", *words, "--json").json)
    return screen.shown.splitlines()


@pytest.mark.usefixtures("in_india")
def test_a_line_says_what_comes_next_and_when_on_the_readers_clock(
    cli: Cli, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.store.tick()
    cli("advance", "payments", "-y")
    pass_time(cli, clock, timedelta(days=3, hours=20))
    header, *rows, footer = shown(cli, tell_all, monkeypatch=monkeypatch)
    assert header.split() == ["FLAG", "STATE", "STAGE", "LIVE", "HEALTH", "NEXT", "OWNER", "FILE"]
    payments = next(row for row in rows if row.startswith("payments"))
    assert "▶ rolling" in payments
    assert "1/4" in payments
    assert "1% in 3d 4h, Mon 30 Nov 09:00 IST" in payments
    assert payments.endswith("in sync")
    assert footer.startswith("revision 2, ")
    assert footer.endswith("flags.yaml in force since 2026-11-23 09:00:00 IST")


@pytest.mark.usefixtures("in_india")
def test_a_flag_shows_since_when_each_stage_runs_and_when_the_next_may_begin(
    cli: Cli, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.store.tick()
    cli("advance", "payments", "-y", "-m", "we are ready")
    pass_time(cli, clock, timedelta(days=1))
    lines = shown(cli, tell_flag, "payments", monkeypatch=monkeypatch)
    employees = next(line for line in lines if "✓ employees" in line)
    assert "1d ago by " in employees
    assert employees.endswith("Mon 23 Nov 09:00 IST")
    assert next(line for line in lines if "→ 1%" in line).endswith("next, in 6d, Mon 30 Nov 09:00 IST")
    assert any("– 50%" in line and "needs approval" in line for line in lines)
    assert any("advance by " in line and line.endswith("we are ready") for line in lines)


def test_a_stage_in_a_pipe_says_since_when_and_by_whom_or_why_not_yet(cli: Cli) -> None:
    cli("advance", "payments", "-y")
    cli("halt", "payments")
    rows = [row for row in cli("status", "payments").rows if row[0] in ("stage", "history")]
    assert rows[0][4:6] == ["live", "2026-11-23T03:30:00.000Z"]
    assert rows[1][4] == "next"
    assert rows[1][6].startswith("halted by ")
    assert [row[4] for row in rows if row[0] == "history"] == ["halt", "advance", "apply"]


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(0), "1s"),
        (timedelta(seconds=59.6), "1m"),
        (timedelta(minutes=61), "1h 1m"),
        (timedelta(hours=24), "1d"),
        (timedelta(days=3, hours=4, minutes=59), "3d 4h"),
        (timedelta(days=400), "400d"),
    ],
)
def test_lengths_of_time_are_said_in_their_two_largest_units(span: timedelta, said: str) -> None:
    assert span_words(span) == said


@pytest.mark.usefixtures("in_india")
def test_instants_are_told_on_the_readers_clock_with_its_zone() -> None:
    assert instant_words("2026-11-23T03:30:00.500Z") == "2026-11-23 09:00:00 IST"
    assert day_words("2026-11-30T03:30:00Z", MONDAY) == "Mon 30 Nov 09:00 IST"
    assert day_words("2027-01-04T03:30:00Z", MONDAY) == "Mon 4 Jan 2027 09:00 IST"
    assert coming_in("2026-11-23T03:29:00Z", MONDAY) == "now"
    assert ago("2026-11-23T03:30:00Z", MONDAY) == "just now"
    assert ago("2026-11-23T03:20:00Z", MONDAY) == "10m ago"


def beat(cli: Cli, server: str, worker: str, revision: int) -> None:
    report = {"kind": "worker", "server": server, "revision": revision}
    cli.store.beat(f"{server}/{worker}", json.dumps(report).encode(), timedelta(minutes=2))


def test_status_names_the_servers_that_lag_and_those_that_were_not_heard(cli: Cli, clock: Clock) -> None:
    cli("halt", "payments")
    beat(cli, "gone:1", "1", revision=2)
    beat(cli, "a:1", "0", revision=1)
    clock.now += timedelta(seconds=43)
    beat(cli, "a:1", "1", revision=2)
    beat(cli, "b:1", "1", revision=2)
    beat(cli, "b:1", "2", revision=1)
    assert cli("status").err.splitlines() == [
        "warning: server b:1 lags: it serves revision 1, the newest is 2",
        "warning: server a:1/0 was not heard for 43s: it stopped, or may serve anything",
        "warning: server gone:1 was not heard for 43s: it stopped, or may serve anything",
    ]


def test_only_servers_that_were_heard_within_10_seconds_count_and_others_are_named(cli: Cli, clock: Clock) -> None:
    beat(cli, "gone:1", "1", revision=9)
    clock.now += timedelta(seconds=11)
    beat(cli, "a:1", "1", revision=9)
    assert "revision 2: 1 of 1 server in 0.0 s; unconfirmed: gone:1" in cli("kill", "payments").out


@pytest.mark.usefixtures("in_india")
def test_streams_are_counted_and_nobody_waits_for_them(cli: Cli, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def report(server: str, open_ones: int) -> None:
        said = {"kind": "stream", "server": server, "revision": 1, "streams": {"open": open_ones, "cap": 10_000}}
        cli.store.beat(f"{server}/9", json.dumps(said).encode(), timedelta(minutes=2))

    report("gone:1", 5000)
    clock.now += timedelta(seconds=11)
    report("a:1", 4000)
    report("b:1", 213)
    beat(cli, "a:1", "1", revision=9)
    assert "revision 2: 1 of 1 server in 0.0 s" in cli("kill", "payments").out
    assert cli("status").err == ""
    assert shown(cli, tell_all, monkeypatch=monkeypatch)[-1].endswith(", 1 server, 4213 streams")


def test_the_server_that_lags_is_named(cli: Cli) -> None:
    beat(cli, "a:1", "1", revision=9)
    beat(cli, "b:1", "1", revision=1)
    servers = cli("kill", "payments", "--json").json["servers"]
    assert (servers["have"], servers["of"], servers["lagging"], servers["unconfirmed"]) == (1, 2, {"b:1": 1}, [])


def test_a_spread_is_one_line() -> None:
    assert str(Spread(4, 4, 0.12)) == "4 of 4 servers in 0.1 s"
    lagging = Spread(1, 3, 3.04, {"b:1": 12, "c:1": 11}, ("d:1",))
    assert str(lagging) == (
        "1 of 3 servers after 3.0 s; b:1 lags, at revision 12; c:1 lags, at revision 11; unconfirmed: d:1"
    )
    assert str(Spread(0, 0, 0, silent=("d:1",))) == "the store has it; no server was heard lately; unconfirmed: d:1"
