"""Flags as whole populations are asked about: from a flags file, where nothing has happened yet, or straight from the
store, where things stand as they do. The service itself hands out answers, not rules.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli.gateway import STRAIGHT, Address
from rollout.cli.options import Body, reaching
from rollout.cli.terminal import Terminal, safe, stderr
from rollout.core.errors import InvalidInput, RolloutError, UnknownFlag
from rollout.core.progress import FlagRecord, State
from rollout.core.ruleset import ruleset_in_force

if TYPE_CHECKING:
    from rollout.batch.cohorts import Cohort
    from rollout.batch.files import Population


@dataclass(frozen=True, slots=True)
class Ground:
    """What is evaluated: a state, the member lists that it speaks of (by digest), and whether it is only a file."""

    state: State
    members: Mapping[str, bytes]
    from_file: bool

    def record(self, flag: str) -> FlagRecord:
        """Raises UnknownFlag, which says what was probably meant."""
        found = self.state.records.get(flag)
        if found is None:
            from difflib import get_close_matches  # noqa: PLC0415  # only for whoever mistypes

            close = get_close_matches(flag, self.state.records, n=1)
            raise UnknownFlag("no flag has this name", f"did you mean {close[0]}?" if close else None)
        return found


def on_populations(command: Body) -> Body:
    """For commands that ask about whole populations. They get `ground`, a function, and `users`, the files' paths."""

    @click.option(
        "--users",
        multiple=True,
        required=True,
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="The people: a .parquet or .csv file with a column for each attribute, or a folder; may be repeated.",
    )
    @click.option("-f", "--file", "file", help="Ask a flags file, without a service or a store.")
    @click.option(
        "--allow-missing",
        is_flag=True,
        help="A column that the files lack is missing for everybody, and no error.",
    )
    @reaching
    @wraps(command)
    def with_ground(*args: Any, users: tuple[Path, ...], file: str | None, address: Address, **rest: Any) -> None:
        _check_installed()
        command(*args, users=users, ground=lambda: _ground(file, address), **rest)

    return with_ground


def _check_installed() -> None:
    try:
        import numpy  # noqa: F401, PLC0415  # an extra, which the service does without
        import pyarrow  # noqa: F401, PLC0415
    except ImportError as error:
        raise RolloutError(
            f"whole populations need {error.name}, which is not installed", "pip install 'rollout[batch]'"
        ) from None


def _ground(file: str | None, address: Address) -> Ground:
    if file is not None:
        from rollout.batch.standing import state_of  # noqa: PLC0415
        from rollout.cli.files import read_local  # noqa: PLC0415  # drags in YAML

        read = read_local(file)
        return Ground(state_of(read), read.members, from_file=True)
    if not address.url.startswith(STRAIGHT):
        raise InvalidInput(
            "a population is asked about by the flags file, or straight on the store",
            "say -f flags.yaml, or --url redis://… (or unix://…) as the service's own --redis-url",
        )
    from rollout.cli.straight import straight_ground  # noqa: PLC0415  # drags in Redis

    return Ground(*straight_ground(address.url, address.namespace, address.timeout), from_file=False)


def cohort_of(state: State, flag: str, members: Mapping[str, bytes]) -> Cohort:
    from rollout.batch.cohorts import compile_cohort  # noqa: PLC0415

    cohort = compile_cohort(ruleset_in_force(state), flag, members)
    if cohort.broken:
        stderr().line(f"warning: {flag} cannot be evaluated, so it is off for everyone")
    return cohort


def population_with(users: Sequence[Path], cohorts: Sequence[Cohort], allow_missing: bool) -> Population:
    """Raises InvalidInput where what the flag asks for is not there."""
    from rollout.batch.answers import missing_columns  # noqa: PLC0415
    from rollout.batch.files import find_population  # noqa: PLC0415

    population = find_population(users)
    missing = [name for cohort in cohorts for name in missing_columns(cohort, population.names)]
    key = cohorts[0].bucket_by
    if key in missing or (missing and not allow_missing):
        name = key if key in missing else missing[0]
        there = ", ".join(population.names[:20])
        raise InvalidInput(
            f"{cohorts[0].flag} asks for {name}, and the people have no such column; they have {there}",
            "rename the column" if name == key else "add it, or say --allow-missing where nobody has one",
        )
    return population


@contextmanager
def progress_bar(label: str, size: int) -> Iterator[Callable[[int], None]]:
    """On stderr, where that is a terminal. Is told how many bytes of the files were dealt with."""
    terminal = stderr()
    if not terminal.is_terminal:
        yield lambda _: None
        return
    with click.progressbar(length=max(size, 1), label=safe(label), file=sys.stderr) as bar:
        yield bar.update


def warn_of(terminal: Terminal, record: FlagRecord) -> None:
    """Why nobody has it, wherever its rollout stands."""
    if record.progress.killed:
        terminal.line(f"note: {record.flag.key} is killed: off for everyone, whatever its share")
    elif not record.flag.enabled:
        terminal.line(f"note: {record.flag.key} is switched off in the file: off for everyone, whatever its share")


def warn_of_refused(terminal: Terminal, refused: int, row: int | None) -> None:
    if refused:
        terminal.line(
            f"warning: {refused:,} of them have a value that the service refuses, the first in row {row:,}; "
            "they count as not having it"
        )
