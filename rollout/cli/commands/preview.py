"""`preview` counts who would gain and who would lose, before anybody does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.identity import actor
from rollout.cli.options import flag_argument
from rollout.cli.populations import Ground, cohort_of, on_populations, population_with, progress_bar, warn_of
from rollout.cli.terminal import Cell, Styled, Terminal, stderr, stdout
from rollout.core.attributes import AttributeType
from rollout.core.changes import set_share
from rollout.core.documents import exposure_document
from rollout.core.errors import InvalidInput
from rollout.core.progress import State, Stop
from rollout.core.shares import Share
from rollout.service.words import Document, exposure_words

if TYPE_CHECKING:
    from rollout.batch.cohorts import Cohort
    from rollout.batch.files import Population
    from rollout.batch.moving import Moved, Movement

COLUMNS = ("by", "value", "people", "before", "gain", "lose", "after")
"""Of the tab-separated form: only ever added to, at the end. Without `by` it is everybody."""

MOST_SHOWN = 12
"""Values of one attribute on a terminal, those who move most; the others are added up."""

FEW_VALUES = frozenset({AttributeType.BOOLEAN, AttributeType.VERSION})


@click.command()
@flag_argument
@click.option("--to", required=True, metavar="SHARE", help="Where the rollout shall go, as in 5%.")
@click.option("--from", "since", metavar="SHARE", help="Where it comes from.  [default: where it stands]")
@click.option("--audience", help="Whose share it is.  [default: the rollout's own audience]")
@click.option("--beyond-plan", is_flag=True, help="Further than the last stage in the file, as with `set`.")
@click.option("--by", multiple=True, metavar="COLUMN", help="Count by this column; may be repeated.")
@on_populations
def command(
    *,
    flag: str,
    to: str,
    since: str | None,
    audience: str | None,
    beyond_plan: bool,
    by: tuple[str, ...],
    users: tuple[Path, ...],
    ground: Callable[[], Ground],
    allow_missing: bool,
    as_json: bool,
) -> None:
    """Who would gain a flag and who would lose it, of a whole population.

    For example: rollout preview payments --to 5% --users users.parquet --url redis://127.0.0.1:6379

    Exactly what `rollout set payments 5%` would do, and refused where that would be. A flags file alone (-f) begins
    with nobody, or at --from; rollouts that the flag requires are then at the share of --to.

    By columns: those of declared attributes with listed values, booleans and versions, where no --by is given.
    """
    share, start = Share.parse(to), None if since is None else Share.parse(since)
    found = ground()
    before, after = _states(found, flag, start, Move(share, audience, beyond_plan))
    cohorts = [cohort_of(state, flag, found.members) for state in (before, after)]
    population = population_with(users, cohorts, allow_missing)
    warn_of(stderr(), found.record(flag))
    movement = _counted(cohorts, population, _columns(by, found.state, population))
    document = _document(flag, before, after, movement)
    if as_json:
        stdout().json(document)
    else:
        _tell(stdout(), document)


@dataclass(frozen=True, slots=True)
class Move:
    """Where to, as `set` takes it."""

    share: Share
    audience: str | None
    beyond_plan: bool


def _states(ground: Ground, flag: str, start: Share | None, move: Move) -> tuple[State, State]:
    """Without a start it is the very change that `set` would make."""
    from rollout.batch.standing import audience_of, exposure_at, required_at, with_exposure  # noqa: PLC0415

    record = ground.record(flag)
    state = required_at(ground.state, flag, move.share) if ground.from_file else ground.state
    if start is not None:
        first, last = (exposure_at(record.flag, each, move.audience) for each in (start, move.share))
        return with_exposure(state, flag, first), with_exposure(state, flag, last)
    stop = Stop(actor().id, datetime.now(UTC), "")
    audience = move.audience or audience_of(record.flag)
    progress = set_share(record, audience, move.share, stop, beyond_plan=move.beyond_plan)
    return state, with_exposure(state, flag, progress.exposure)


def _columns(by: Sequence[str], state: State, population: Population) -> list[str]:
    if by:
        unknown = [name for name in by if name not in population.names]
        if unknown:
            there = ", ".join(population.names[:20])
            raise InvalidInput(f"there is no column {unknown[0]} to count by", f"there are {there}")
        return list(dict.fromkeys(by))
    declared = state.definitions.attributes.values()
    few = [attribute.name for attribute in declared if attribute.values or attribute.type in FEW_VALUES]
    return [name for name in few if name in population.names]


def _counted(cohorts: Sequence[Cohort], population: Population, by: Sequence[str]) -> Movement:
    from rollout.batch.moving import Movement, count_moves  # noqa: PLC0415

    before, after = cohorts
    movement = Movement(by={name: {} for name in by})
    with progress_bar(after.flag, population.size) as progress:
        columns = dict.fromkeys([*before.columns, *after.columns, *by])
        people = population.batches(list(columns), after.columns[:1], progress)
        for counted in count_moves(people, before, after, by):
            movement = counted
    return movement


def _document(flag: str, before: State, after: State, movement: Movement) -> dict[str, object]:
    return {
        "schema_version": 1,
        "flag": flag,
        "from": exposure_document(before.records[flag].progress.exposure),
        "to": exposure_document(after.records[flag].progress.exposure),
        "everyone": _numbers(movement.everyone),
        "by": {name: _values(counted) for name, counted in movement.by.items()},
        "revision": before.revision,
    }


def _values(counted: Mapping[object, Moved]) -> list[dict[str, object]]:
    """Those who move most first."""
    ordered = sorted(counted.items(), key=lambda one: (-one[1].gain - one[1].lose, -one[1].people, str(one[0])))
    return [{"value": _word(value), **_numbers(moved)} for value, moved in ordered]


def _word(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numbers(moved: Moved) -> dict[str, int]:
    return {name: getattr(moved, name) for name in COLUMNS[2:]}


def _tell(terminal: Terminal, document: Document) -> None:
    if not terminal.is_terminal:
        terminal.table(COLUMNS, list(_rows(document)))
        return
    everyone = document["everyone"]
    terminal.line(
        Styled(document["flag"], "bold"), f": {exposure_words(document['from'])} → {exposure_words(document['to'])}"
    )
    gain, lose = (Styled(f"{everyone[name]:,} {name}", style) for name, style in (("gain", "green"), ("lose", "red")))
    terminal.line(gain, " it, ", lose, f" it; {everyone['after']:,} of {everyone['people']:,} people have it then")
    for name, values in document["by"].items():
        terminal.line()
        titles: list[Cell] = [Styled(title.upper(), "bold") for title in (name, *COLUMNS[2:])]
        terminal.aligned([titles, *([_shown(one["value"]), *_figures(one)] for one in _most(values))])


def _rows(document: Document) -> list[list[str]]:
    rows = [["", "", *(str(document["everyone"][name]) for name in COLUMNS[2:])]]
    for name, values in document["by"].items():
        rows += [[name, _shown(one["value"]), *(str(one[number]) for number in COLUMNS[2:])] for one in values]
    return rows


def _most(values: Sequence[Document]) -> list[Document]:
    if len(values) <= MOST_SHOWN:
        return list(values)
    rest = values[MOST_SHOWN - 1 :]
    total = {name: sum(one[name] for one in rest) for name in COLUMNS[2:]}
    return [*values[: MOST_SHOWN - 1], {"value": f"{len(rest)} others", **total}]


def _shown(value: str | None) -> str:
    return "(missing)" if value is None else value or "(empty)"


def _figures(one: Document) -> list[str]:
    return [f"{one[name]:,}" for name in COLUMNS[2:]]
