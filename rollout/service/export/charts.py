"""A flag's share over a quarter, and the people exposed on each day, as SVG that needs nothing else and takes its
colours from the page: light, dark or on paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from rollout.core.documents import read_instant
from rollout.service.export.history import Exposed
from rollout.service.export.quarters import Quarter

WIDTH, HEIGHT = 760, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 150, 14, 26
BARS = 70
MOST_LINES = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that is drawn at its time: `kind` is stop or file."""

    at: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class _Scale:
    quarter: Quarter

    def x(self, at: str | datetime) -> float:
        when = read_instant(at) if isinstance(at, str) else at
        whole = (self.quarter.ends - self.quarter.begins).total_seconds()
        part = min(max((when - self.quarter.begins).total_seconds() / whole, 0), 1)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(self, percent: float) -> float:
        return TOP + (1 - percent / 100) * (HEIGHT - TOP - BOTTOM)


def share_chart(quarter: Quarter, flag: str, points: Sequence[tuple[str, Exposed]], marks: Sequence[Mark]) -> str:
    """A step line for each audience, named at its end, over the quarter; marks where it was stopped."""
    scale = _Scale(quarter)
    audiences = sorted({audience for _, exposed in points for audience in exposed})[:MOST_LINES]
    parts = [*_grid(scale), *(_mark(scale, mark) for mark in marks)]
    taken: list[float] = []
    for number, audience in enumerate(audiences):
        steps = [(at, exposed.get(audience, 0.0)) for at, exposed in points]
        parts.append(_line(scale, steps, number))
        parts.append(_name(scale, audience, steps[-1][1], number, taken))
    what = f"The share of its audiences that had {flag}, over {quarter}"
    return _svg(HEIGHT, what, parts)


def people_chart(quarter: Quarter, flag: str, counts: Mapping[str, int]) -> str:
    """A bar for each day."""
    scale, most = _Scale(quarter), max(counts.values(), default=0)
    if not most:
        return ""
    width = (WIDTH - LEFT - RIGHT) / len(quarter.days) - 1
    bars = []
    for day, count in sorted(counts.items()):
        height = count / most * (BARS - 20)
        x = scale.x(f"{day}T00:00:00+00:00")
        title = f"{day}: about {count:,} people"
        bars.append(
            f'<rect class="bar" x="{x:.1f}" y="{BARS - 4 - height:.1f}" width="{width:.1f}" height="{height:.1f}">'
            f"<title>{title}</title></rect>"
        )
    x = WIDTH - RIGHT + 8
    label = f'<text class="name" x="{x}" y="{BARS - 24}">people a day,</text>'
    label += f'<text class="name" x="{x}" y="{BARS - 8}">up to about {most:,}</text>'
    return _svg(BARS, f"About how many people were served {flag} on each day of {quarter}", [*bars, label])


def _svg(height: int, what: str, parts: Sequence[str]) -> str:
    said = escape(what, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{said}">{"".join(parts)}</svg>'


def _grid(scale: _Scale) -> list[str]:
    lines = []
    for percent in (0, 25, 50, 75, 100):
        y = scale.y(percent)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent}%</text>')
    for day in scale.quarter.days:
        if day.endswith("-01") or day.endswith("-15"):
            x = scale.x(f"{day}T00:00:00+00:00")
            lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
            lines.append(f'<text class="axis" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{day[5:]}</text>')
    return lines


def _line(scale: _Scale, steps: Sequence[tuple[str, float]], number: int) -> str:
    x, y = scale.x(steps[0][0]), scale.y(steps[0][1])
    path = [f"M{x:.1f} {y:.1f}"]
    for at, percent in steps[1:]:
        path.append(f"H{scale.x(at):.1f}V{scale.y(percent):.1f}")
    path.append(f"H{WIDTH - RIGHT}")
    return f'<path class="line line{number}" d="{"".join(path)}"/>'


def _name(scale: _Scale, audience: str, percent: float, number: int, taken: list[float]) -> str:
    """Beside the line's end, and below those that stand there already."""
    y = scale.y(percent) + 4
    while any(abs(y - other) < 14 for other in taken):
        y += 14 if y < HEIGHT - BOTTOM - 14 else -28
    taken.append(y)
    said = escape(f"{_short(audience)} {percent:.6g}%")
    return f'<text class="name name{number}" x="{WIDTH - RIGHT + 8}" y="{y:.1f}">{said}</text>'


def _short(audience: str) -> str:
    return audience if len(audience) <= 14 else f"{audience[:13]}…"


def _mark(scale: _Scale, mark: Mark) -> str:
    x = scale.x(mark.at)
    return (
        f'<g class="mark {mark.kind}"><line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{HEIGHT - BOTTOM}"/>'
        f'<circle cx="{x:.1f}" cy="{TOP - 6}" r="4"/><title>{escape(mark.title)}</title></g>'
    )
