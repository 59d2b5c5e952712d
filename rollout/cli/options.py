"""The options that commands share, so that they read, default and explain themselves alike everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import click

from rollout.cli.caller_key import read_key
from rollout.cli.gateway import Address
from rollout.core.durations import parse_duration
from rollout.core.errors import InvalidInput

Body: TypeAlias = Callable[..., None]

DEFAULT_TIMEOUT = 10.0  # seconds
LONGEST = 3600.0  # seconds that any single answer is waited for
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")
DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_FILE = "flags.yaml"

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document; fields are only ever added.")

flag_argument = click.argument("flag")

file_argument = click.argument("file", default=DEFAULT_FILE, envvar="ROLLOUT_FILE")


@dataclass(frozen=True, slots=True)
class Intent:
    """How somebody wants a change to be made."""

    reason: str
    dry_run: bool
    yes: bool
    wait: bool
    as_json: bool
    break_glass: bool = False


def reaching(command: Body) -> Body:
    """For commands that ask the service. They get `address` and `as_json`."""

    @click.option(
        "--url",
        envvar="ROLLOUT_URL",
        show_envvar=True,
        default=DEFAULT_URL,
        show_default=True,
        help="The service; or redis://, rediss:// or unix:// for the store itself, when the service is what is broken.",
    )
    @click.option(
        "--namespace",
        envvar="ROLLOUT_NAMESPACE",
        show_envvar=True,
        default="rollout",
        show_default=True,
        help="The prefix of all keys, straight on the store.",
    )
    @click.option(
        "--timeout",
        callback=_seconds,
        metavar="SECONDS",
        default=f"{DEFAULT_TIMEOUT:g}",
        show_default=True,
        help="How long to wait for an answer; also with a unit, as in 2m.",
    )
    @click.option(
        "--key-file",
        envvar="ROLLOUT_KEY_FILE",
        show_envvar=True,
        metavar="FILE",
        help="The file with your key; or have the key itself in ROLLOUT_KEY. Never as an option: others could read it.",
    )
    @as_json
    @wraps(command)
    def with_address(*args: Any, url: str, namespace: str, timeout: float, key_file: str | None, **rest: Any) -> None:
        command(*args, address=Address(url, namespace, min(timeout, LONGEST), key=read_key(key_file)), **rest)

    return with_address


data_folder = click.option(
    "--data-dir",
    envvar="ROLLOUT_DATA_DIR",
    show_envvar=True,
    type=click.Path(path_type=Path),
    default=".rollout",
    show_default=True,
    help="The data folder of the service.",
)
"""For commands that read the record on this server's disk. They get `data_dir`."""


at_option = click.option(
    "--at",
    metavar="MOMENT",
    help='As it was then: "2018-02-13 18:00 IST", "2018-02-13 18:00 Europe/Amsterdam", 2018-02-13T18:00Z or "2h ago".',
)


def changing(command: Body) -> Body:
    """For commands that change something. They get `address` and `intent`."""

    @click.option("-m", "--reason", default="", help="Why, for the audit.")
    @click.option("-n", "--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
    @click.option("-y", "--yes", is_flag=True, help="Do not ask before more people get something.")
    @click.option("--no-wait", is_flag=True, help="Do not wait until the servers have the change.")
    @reaching
    @wraps(command)
    def with_intent(
        *args: Any, reason: str, dry_run: bool, yes: bool, no_wait: bool, as_json: bool, **rest: Any
    ) -> None:
        command(*args, intent=Intent(reason, dry_run, yes, not no_wait, as_json), **rest)

    return with_intent


def raising(command: Body) -> Body:
    """For those that may give somebody something. They get the same."""

    @click.option(
        "--break-glass",
        is_flag=True,
        help="Alone, where it takes more than one person. Needs a reason; shown until another admin has seen it.",
    )
    @changing
    @wraps(command)
    def with_glass(*args: Any, break_glass: bool, intent: Intent, **rest: Any) -> None:
        command(*args, intent=replace(intent, break_glass=break_glass), **rest)

    return with_glass


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    return read_seconds(value)


def read_seconds(text: str) -> float:
    """Of "10", "1.5" or "2h". Raises InvalidInput."""
    seconds = float(text) if _NUMBER.fullmatch(text) else parse_duration(text).total_seconds()
    if seconds <= 0:
        raise InvalidInput(f"{text} is no time to wait at all", "write 10, or with a unit 2m")
    return seconds
