"""A guard's last minutes as a picture: the share of outcomes that failed, minute by minute, against the limit where
that is a share. Plain SVG made here, so that it shows without scripts and loads nothing; where scripts run, charts.js
makes a chart to read values from of the numbers that stand beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from markupsafe import Markup

from rollout.service.words import Document

_LIMIT = re.compile(r"at most ([\d.]+)%")
LOWEST_TOP = 1.0  # percent: with nothing failing, the line lies at the bottom


def sparkline(recent: Sequence[Document]) -> Markup:
    """The size of a word; decoration beside the verdict in words."""
    points = list(_points(recent, 64, 16, _top(recent, None)))
    if len(points) < 2:
        return Markup()
    return Markup(  # numbers alone
        f'<svg class="spark" viewBox="0 -1 64 18" aria-hidden="true"><polyline points="{_line(points)}"/></svg>'
    )


def plot(recent: Sequence[Document], limit: str, name: str) -> Markup:
    """The chart and its numbers. `name`: whose minutes they are."""
    minutes = [[_seconds(one["at"]), one["failures"], one["outcomes"]] for one in recent]
    bound = _bound_of(limit)
    return Markup('<div class="plot" data-name="{}" data-limit="{}" data-minutes="{}">{}</div>').format(
        name, "" if bound is None else bound, json.dumps(minutes), chart(recent, limit)
    )


def moments(history: Sequence[Document]) -> str:
    """When what was done, as JSON for the charts."""
    return json.dumps([[_seconds(entry["at"]), entry["action"]] for entry in history])


def _seconds(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp())


def _bound_of(limit: str) -> float | None:
    found = _LIMIT.match(limit)
    return float(found[1]) if found else None


def chart(recent: Sequence[Document], limit: str) -> Markup:
    """With its limit and its scale. What it says is in the table beside it as well."""
    bound = _bound_of(limit)
    top = _top(recent, bound)
    points = list(_points(recent, 300, 60, top))
    if not points:
        return Markup()
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in points)
    line = f'<polyline points="{_line(points)}"/>' if len(points) > 1 else ""
    return Markup(  # numbers alone
        f'<svg class="chart" viewBox="0 -8 340 76" aria-hidden="true">'
        f'<path class="axis" d="M0 60H300M0 0H300"/>{_bound(bound, top)}{line}{dots}'
        f'<text x="306" y="4">{top:.3g}%</text><text x="306" y="64">0%</text></svg>'
    )


def _bound(bound: float | None, top: float) -> str:
    if bound is None:
        return ""
    y = 60 - 60 * bound / top
    return f'<path class="limit" d="M0 {y:.1f}H300"/>'


def _top(recent: Sequence[Document], bound: float | None) -> float:
    return max([LOWEST_TOP, 1.25 * (bound or 0), *(percent for _, percent in _percents(recent))])


def _points(recent: Sequence[Document], width: int, height: int, top: float) -> Iterator[tuple[float, float]]:
    step = width / max(len(recent) - 1, 1)
    for place, percent in _percents(recent):
        yield place * step, height - height * percent / top


def _percents(recent: Sequence[Document]) -> Iterator[tuple[int, float]]:
    """Of minutes in which there were outcomes, with their place."""
    for place, minute in enumerate(recent):
        if minute["outcomes"]:
            yield place, 100 * minute["failures"] / minute["outcomes"]


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
