"""`status` says where every flag stands, the most urgent first, or one flag in full: once, for as long as one watches,
or until it is where a script waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from rollout.cli.awaiting import Awaited, awaited, wait_for, where
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.looking import looks
from rollout.cli.one_flag import tell_flag
from rollout.cli.options import DEFAULT_TIMEOUT, at_option, data_folder, reaching
from rollout.cli.overview import tell_all, warnings
from rollout.cli.past_words import tell_then
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.cli.watching import watch
from rollout.core.durations import format_duration
from rollout.core.errors import InvalidInput
from rollout.service.words import Document


@click.command()
@click.argument("flag", required=False)
@click.option("-w", "--watch", "watching", is_flag=True, help="Go on looking; in a pipe, a line for each change.")
@click.option(
    "--wait-for",
    "wanted",
    metavar="STATE",
    help="Wait until FLAG is done, halted, killed, or at stage=4, stage=25% or share=5%. --timeout 2h then says for "
    "how long; without it, for as long as it takes.",
)
@at_option
@data_folder
@reaching
@click.pass_obj
@click.pass_context
def command(
    context: click.Context,
    open_desk: OpenDesk,
    *,
    flag: str | None,
    watching: bool,
    wanted: str | None,
    at: str | None,
    data_dir: Path,
    address: Address,
    as_json: bool,
) -> None:
    """Where every flag stands, or one with its stages.

    Killed and halted flags come first. In a pipe the table is tab-separated with a header line.

    For scripts: rollout status payments --wait-for stage=4 --timeout 2h

    It ends with 0 once that is reached, with 6 when it is not in time, and with 8 when it cannot come any more. A share
    is that of the audience of the plan's last stage. Short outages of the service are waited through.
    """
    if at is not None and (watching or wanted is not None):
        raise InvalidInput("what is past neither changes nor comes", "leave out --watch and --wait-for, or --at")
    if wanted is not None:
        explicit = context.get_parameter_source("timeout") is not ParameterSource.DEFAULT
        patience = context.params["timeout"] if explicit else None
        _wait(open_desk, address, flag, awaited(wanted), patience=patience, as_json=as_json)
        return
    with desk_for(open_desk, replace(address, data_dir=data_dir if at else None), flag) as desk:
        ask: Callable[[], Document] = partial(desk.flag_status, flag, at=at) if flag else partial(desk.status, at=at)
        if watching:
            watch(looks(ask, address.timeout), tell_flag if flag else _tell_with_warnings, as_json=as_json)
            return
        document = ask()
    if as_json:
        stdout().json(document)
    elif flag:
        tell_flag(stdout(), document)
        tell_then(stderr(), document)
    else:
        tell_all(stdout(), document)
        tell_then(stderr(), document)
        _warn(stderr(), document)


def _wait(
    open_desk: OpenDesk, address: Address, flag: str | None, wanted: Awaited, *, patience: float | None, as_json: bool
) -> None:
    if flag is None:
        raise InvalidInput("--wait-for waits for one flag", "name it: rollout status payments --wait-for done")
    began = time.monotonic()
    single = min(DEFAULT_TIMEOUT, patience or DEFAULT_TIMEOUT)  # an answer that is late is no reason to give up
    with desk_for(open_desk, replace(address, timeout=single), flag) as desk:
        seen = looks(partial(desk.flag_status, flag), single, None if patience is None else began + patience)
        document = wait_for(wanted, flag, seen, format_duration(timedelta(seconds=patience or 0)))
    if as_json:
        stdout().json(document)
    else:
        stdout().line(where(document, document))


def _tell_with_warnings(terminal: Terminal, document: Document) -> None:
    tell_all(terminal, document)
    _warn(terminal, document)


def _warn(terminal: Terminal, document: Document) -> None:
    for trouble in warnings(document):
        terminal.line(Styled("warning: ", "yellow"), trouble)
