"""What a backtest found, as a document, in a pipe and for people."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from rollout.cli.terminal import Cell, Styled, Terminal
from rollout.cli.times import instant_words
from rollout.core.backtest import MINUTE, Backtest, GroupTest
from rollout.core.guards import Guard
from rollout.service.spans import span_words
from rollout.service.words import plural

COLUMNS = ("value", "minutes", "outcomes", "failed", "false_alarms", "evidence_percent", "dispersion", "first_alarm_at")
"""Of the tab-separated form: only ever added to, at the end."""

BURSTS = 1.5  # the dispersion from which a guard is wrong noticeably more often than its confidence says
SHOWN = 5  # alarms that are named


def backtest_document(guard: Guard, result: Backtest) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "guard": guard.name or None,
        "question": guard.question,
        "confidence": str(guard.confidence),
        "min_samples": guard.min_samples,
        "from": result.began_at.isoformat(),
        "to": (result.ended_at + MINUTE).isoformat(),
        "false_alarms": result.alarms,
        "dispersion": _rounded(result.dispersion.ratio),
        "groups": [_group(one) for one in result.groups],
    }


def _group(group: GroupTest) -> dict[str, Any]:
    return {
        "value": group.value,
        "judged": bool(group.alpha),
        "alpha": str(group.alpha),
        "minutes": group.minutes,
        "outcomes": group.on.total,
        "failed": group.on.failures,
        "control_outcomes": group.control.total,
        "control_failed": group.control.failures,
        "false_alarms": [at.isoformat() for at in group.alarms],
        "evidence_percent": group.highest_percent,
        "dispersion": _rounded(group.dispersion.ratio),
    }


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)


def tell_backtest(terminal: Terminal, guard: Guard, result: Backtest) -> None:
    if not terminal.is_terminal:
        terminal.table(COLUMNS, [_fields(group) for group in result.groups])
        return
    terminal.table(
        ("value", "minutes", "outcomes", "failed", "false alarms", "evidence", "dispersion"),
        [_row(group) for group in result.groups],
    )
    terminal.line()
    _tell_alarms(terminal, guard, result)
    terminal.line(_dispersion_words(result))
    unjudged = [group.value or "" for group in result.groups if not group.alpha]
    if unjudged:
        said = f"not judged, since '{guard.by}' does not declare them: {', '.join(unjudged)}"
        terminal.line(Styled(said, "yellow"))


def _fields(group: GroupTest) -> list[Cell]:
    ratio = _rounded(group.dispersion.ratio)
    counts = (group.minutes, group.on.total, group.on.failures, len(group.alarms), group.highest_percent)
    first = group.alarms[0].isoformat() if group.alarms else ""
    return [group.value or "", *map(str, counts), "" if ratio is None else str(ratio), first]


def _row(group: GroupTest) -> list[Cell]:
    ratio = group.dispersion.ratio
    alarms = str(len(group.alarms))
    return [
        group.value or "all",
        f"{group.minutes:,}",
        f"{group.on.total:,}",
        f"{group.on.failures:,} ({_percent(group)})",
        Styled(alarms, "red") if group.alarms else alarms,
        f"{group.highest_percent}%",
        "" if ratio is None else f"{ratio:.2f}",
    ]


def _percent(group: GroupTest) -> str:
    return f"{float(Fraction(100 * group.on.failures, group.on.total or 1)):.2f}%"


def _tell_alarms(terminal: Terminal, guard: Guard, result: Backtest) -> None:
    span = span_words(result.ended_at + MINUTE - result.began_at)
    if not result.alarms:
        terminal.line(Styled(f"no false alarm in {span}", "green"))
        return
    count = Styled(f"{plural(result.alarms, 'false alarm')} in {span}", "red")
    terminal.line(count, f"; {guard.confidence} of histories that keep the bound have none")
    named = sorted((at, group.value or "all") for group in result.groups for at in group.alarms)
    for at, value in named[:SHOWN]:
        terminal.line(f"  {instant_words(at.isoformat())}  {value}")
    if len(named) > SHOWN:
        terminal.line(f"  and {len(named) - SHOWN} more")


def _dispersion_words(result: Backtest) -> str:
    ratio = result.dispersion.ratio
    if ratio is None:
        return "too little varied to say whether failures come in bursts"
    if ratio < BURSTS:
        return f"failures come as evenly as a guard assumes: dispersion {ratio:.2f}, where 1 is independent"
    return (
        f"failures come in bursts: dispersion {ratio:.2f}, where 1 is independent. A guard is then wrong more often "
        "than its confidence says: give it a limit above what a burst reaches, or let it compare against control"
    )
