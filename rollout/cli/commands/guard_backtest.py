"""`guard backtest` replays a history that was healthy, and says how often a guard would have stopped it."""

from __future__ import annotations

from dataclasses import replace

import click

from rollout.cli.backtests import backtest_document, tell_backtest
from rollout.cli.files import read_local
from rollout.cli.histories import read_history
from rollout.cli.options import DEFAULT_FILE, as_json
from rollout.cli.terminal import stdout
from rollout.core.backtest import backtest as replayed
from rollout.core.errors import InvalidInput
from rollout.core.guards import Guard, GuardAction
from rollout.core.judging import declared_values
from rollout.core.shares import Share
from rollout.yaml_files.hints import did_you_mean


@click.command()
@click.argument("history", metavar="FILE.csv")
@click.option("--guard", "name", metavar="NAME", help="A guard of the flags file.")
@click.option(
    "-f", "--file", default=DEFAULT_FILE, envvar="ROLLOUT_FILE", show_default=True, help="The flags file of --guard."
)
@click.option("--max", "most", metavar="SHARE", help="The share of outcomes that may fail, such as 2%.")
@click.option("--confidence", metavar="SHARE", help="How sure to be, such as 99%.")
@click.option("--min-samples", type=click.IntRange(1), metavar="N", help="Outcomes to see before anything is said.")
@as_json
def backtest(
    *,
    history: str,
    name: str | None,
    file: str,
    most: str | None,
    confidence: str | None,
    min_samples: int | None,
    as_json: bool,
) -> None:
    """Replay a healthy history: how often a guard would have stopped it.

    For example: rollout guard backtest last-month.csv --guard upi-failures

    The file has the columns at, ok, failed (counts of the minute that begins at this time, such as
    2026-03-01T12:03:00Z), and value where each bank or the like is judged on its own; for guards against control also
    control_ok and control_failed. --max, --confidence and --min-samples stand in for what the guard says; with --max no
    guard is needed.
    """
    guard, declared = _from_file(name, file) if name else (_unnamed(most), ())
    guard = _as_asked(guard, most if name else None, confidence, min_samples)
    records = read_history(history, by=guard.by if name else None, control=guard.against is not None)
    if not name and records[0].value is not None:
        guard, declared = replace(guard, by="value"), tuple({one.value or "": None for one in records})
    result = replayed(guard, records, declared)
    if as_json:
        stdout().json(backtest_document(guard, result))
        return
    tell_backtest(stdout(), guard, result)


def _from_file(name: str, file: str) -> tuple[Guard, tuple[str, ...]]:
    """The guard, and the values that its attribute declares."""
    definitions = read_local(file).definitions
    guard = definitions.guards.get(name)
    if guard is None:
        raise InvalidInput(f"{file} has no guard '{name}'", did_you_mean(name, definitions.guards))
    return guard, declared_values(definitions.attributes[guard.by]) if guard.by else ()


def _unnamed(most: str | None) -> Guard:
    if most is None:
        raise InvalidInput("which guard?", "add --guard NAME, or a bound such as --max 2%")
    return Guard("", "", "outcomes", GuardAction.WARN, max_failures=Share.parse(most))


def _as_asked(guard: Guard, most: str | None, confidence: str | None, min_samples: int | None) -> Guard:
    if most is not None and guard.max_failures is None:
        raise InvalidInput(f"guard '{guard.name}' has no 'max'", "leave --max out")
    return replace(
        guard,
        max_failures=Share.parse(most) if most is not None else guard.max_failures,
        confidence=_confidence(confidence) if confidence is not None else guard.confidence,
        min_samples=min_samples or guard.min_samples,
    )


def _confidence(text: str) -> Share:
    value = Share.parse(text)
    if not 50 <= value.percent < 100:
        raise InvalidInput(f"a confidence of {value}", "write a percentage from 50% to below 100%, such as 99%")
    return value
