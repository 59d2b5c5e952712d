"""Histories to ship: a store whose clock goes on by hours, and everything that it holds in order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rollout.core.audit import read_line
from rollout.core.chain import place_of
from rollout.core.errors import RolloutError
from rollout.core.shares import Share
from tests.service.servicekit import Place, request

HOUR_MS = 3_600_000


def place_at(day: str, **more: Any) -> Place:
    return Place(now_ms=int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() * 1000), **more)


def live_through(place: Place, changes: int, every_ms: int = HOUR_MS) -> Place:
    """So many entries more: shares up and down, kills, and notes in between."""
    steps = (
        lambda: place.operations.set_share("payments", Share.parse("1%"), request("first bank")),
        lambda: place.operations.note("export", request(), {"quarter": "2018Q1"}),
        lambda: place.operations.kill("payments", request("=1+1", ticket="PAY-7")),
        lambda: place.operations.revive("payments", request("=HYPERLINK(1)")),
        lambda: place.operations.set_share("wallet", Share.parse("1%"), request("wallet")),
        lambda: place.operations.set_share("payments", Share.parse("5%"), request("second bank")),
        lambda: place.operations.set_share("wallet", Share.parse("0%"), request("")),
        lambda: place.operations.note("refused", request(), {"action": "set", "count": 3}),
    )
    for number in range(changes):
        place.now_ms += every_ms
        try:
            steps[number % len(steps)]()
        except RolloutError:
            place.operations.note("refused", request(), {"action": "set", "count": 1})
    return place


def everything(place: Place) -> list[bytes]:
    """All lines of the chain, in order."""
    lines = [*place.lines(), *place.store.notes(limit=10**6)]
    return sorted(lines, key=lambda line: place_of(read_line(line)))
