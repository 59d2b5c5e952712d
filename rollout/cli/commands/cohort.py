"""`cohort` says who of a whole population has a flag, as it stands or as it would at a share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options import flag_argument
from rollout.cli.populations import (
    Ground,
    cohort_of,
    on_populations,
    population_with,
    progress_bar,
    warn_of,
    warn_of_refused,
)
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.core.documents import exposure_document
from rollout.core.errors import InvalidInput
from rollout.core.progress import State
from rollout.core.shares import Share
from rollout.service.words import Document, exposure_words

if TYPE_CHECKING:
    from rollout.batch.answers import Tally
    from rollout.batch.cohorts import Cohort
    from rollout.batch.files import Population

NOW = "now"
COLUMNS = ("flag", "at", "people", "on", "refused", "output")
"""Of the tab-separated form: only ever added to, at the end."""


@click.command()
@flag_argument
@click.option("--at", default=NOW, show_default=True, metavar="SHARE", help="As if the rollout stood there, as in 5%.")
@click.option("--audience", help="Whose share it is.  [default: the rollout's own audience]")
@click.option(
    "-o", "--output", metavar="PATH", type=click.Path(path_type=Path), help="Write it there: a .parquet or .csv file."
)
@click.option("--only-on", is_flag=True, help="Write the ids of those who have it, and nothing else.")
@on_populations
def command(
    *,
    flag: str,
    at: str,
    audience: str | None,
    output: Path | None,
    only_on: bool,
    users: tuple[Path, ...],
    ground: Callable[[], Ground],
    allow_missing: bool,
    as_json: bool,
) -> None:
    """Who of a whole population has a flag.

    For example: rollout cohort payments -f flags.yaml --users users.parquet --at 5% -o cohort.parquet

    Straight on the store, or, with -f, by a flags file alone. At a share means: that share of the rollout's audience
    and the stages before it; rollouts that the flag requires stand as they do, or, with -f, at the same share.

    Writes id, on and variant for each person, a part at a time: memory does not grow with the population. Without -o
    it only counts.
    """
    if only_on and output is None:
        raise InvalidInput("--only-on says what to write, and nothing is written", "say -o cohort.parquet as well")
    share = None if at == NOW else Share.parse(at)
    found = ground()
    state = _state(found, flag, share, audience)
    cohort = cohort_of(state, flag, found.members)
    population = population_with(users, [cohort], allow_missing)
    _check_output(output, population)
    warn_of(stderr(), found.record(flag))
    tally = _carried_out(cohort, population, output, only_on)
    warn_of_refused(stderr(), tally.refused, tally.refused_row)
    document = _document(state, flag, tally, output)
    if as_json:
        stdout().json(document)
    else:
        _tell(stdout(), document)


def _state(ground: Ground, flag: str, share: Share | None, audience: str | None) -> State:
    from rollout.batch.standing import exposure_at, required_at, with_exposure  # noqa: PLC0415

    record = ground.record(flag)
    if share is None:
        if audience is not None:
            raise InvalidInput("an audience needs a share", "say --at 5% as well")
        if ground.from_file and record.flag.rollout:
            raise InvalidInput("a file does not say where a rollout stands", "say --at 5%, or ask the store by --url")
        return ground.state
    state = required_at(ground.state, flag, share) if ground.from_file else ground.state
    return with_exposure(state, flag, exposure_at(record.flag, share, audience))


def _check_output(output: Path | None, population: Population) -> None:
    from rollout.batch.files import check_suffix  # noqa: PLC0415

    if output is None:
        return
    check_suffix(output)
    if output.resolve() in {file.resolve() for file in population.files}:
        raise InvalidInput(f"{output} is the population itself", "write the cohort somewhere else")


def _carried_out(cohort: Cohort, population: Population, output: Path | None, only_on: bool) -> Tally:
    from rollout.batch.answers import CODED, IDS, Tally, coded_batches  # noqa: PLC0415
    from rollout.batch.files import write_batches  # noqa: PLC0415

    tally = Tally()
    with progress_bar(cohort.flag, population.size) as progress:
        people = population.batches(cohort.columns, cohort.columns[:1], progress)
        if output is None:
            tally.count(people, cohort)
            return tally
        answers = coded_batches(people, cohort, only_on=only_on, tally=tally)
        write_batches(output, IDS if only_on else CODED, answers)
    return tally


def _document(state: State, flag: str, tally: Tally, output: Path | None) -> dict[str, object]:
    return {
        "schema_version": 1,
        "flag": flag,
        "at": exposure_document(state.records[flag].progress.exposure),
        "people": tally.people,
        "on": tally.on,
        "refused": tally.refused,
        "output": str(output) if output else None,
        "revision": state.revision,
    }


def _tell(terminal: Terminal, document: Document) -> None:
    at = exposure_words(document["at"])
    numbers = [document["people"], document["on"], document["refused"]]
    if not terminal.is_terminal:
        terminal.table(COLUMNS, [[document["flag"], at, *map(str, numbers), document["output"] or ""]])
        return
    people, on, _ = numbers
    terminal.line(Styled(f"{on:,} of {people:,} people have {document['flag']}", "bold"), f", at {at}")
    if document["output"]:
        terminal.line(f"written to {document['output']}")
