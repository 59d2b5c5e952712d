"""Writes docs/cli.md from the commands themselves, so that it cannot say anything else than they do:

python -m rollout.cli.reference > docs/cli.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import cleandoc

import click

from rollout.cli.app import OTHER_WORDS, VERBS, app
from rollout.cli.exits import MEANING
from rollout.cli.options import changing, reaching

_OPENING = """\
# The command line

<!-- Written by `python -m rollout.cli.reference > docs/cli.md`; a test compares. Edit the commands, not this. -->

`rollout` reaches the service at `--url` or `ROLLOUT_URL`, by default `http://127.0.0.1:8080`. A `redis://`, `rediss://`
or `unix://` URL goes straight to the store: the kill switch works when the web tier is what is broken. `--url`,
`--namespace` and `--timeout` may also stand before the verb. `FILE` is `flags.yaml`, or what `ROLLOUT_FILE` says, where
it is not given. Where the service asks for keys, yours is in `ROLLOUT_KEY`, or in the file that `--key-file` or
`ROLLOUT_KEY_FILE` names.

A terminal gets aligned tables and colour (not with `NO_COLOR`, nor where `TERM` is `dumb`), a pipe tab-separated values
with a header line, and `--json` one document with `"schema_version": 1`, to which fields are only ever added. Errors
and warnings go to stderr, as `error:` and `hint:`; with `--json` an error is on stdout as well, as `{"error": {…}}`.

Changes say first who gains and ask before they give anybody anything; where nobody can be asked they need `--yes`.
Taking something away never asks. Every change sends the revision that it saw, and is refused when the state moved
since; `kill` and `halt` look again instead. Afterwards it says how many servers have it, or which do not, and the
command that undoes it. A server counts when it was heard within the last 10 s; others are named as unconfirmed.

Times are told in the reader's own zone, which is named; columns of tab-separated values and JSON have them in UTC.
"""


def reference() -> str:
    """The whole document."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _OPENING
    yield from _exit_codes()
    yield from _shared_options()
    context = app.make_context("rollout", [], resilient_parsing=True)
    for title, verbs in VERBS.items():
        yield f"## {title}\n"
        for verb in verbs:
            command = app.get_command(context, verb)
            assert command is not None
            yield from _command(verb, command, context)
    yield from _other_words()


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in MEANING.items():
        yield f"| {code.value} | {meaning} |"
    yield ""


def _shared_options() -> Iterator[str]:
    yield "## Options that many commands share\n"
    for title, decorated in _SHARED.items():
        yield f"{title}:\n"
        yield from _table(_options(decorated))


def _command(verb: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = command.make_context(verb, [], parent, resilient_parsing=True)
    yield f"### {context.command_path}\n"
    yield f"    {context.command_path} {' '.join(command.collect_usage_pieces(context))}\n"
    yield cleandoc(command.help or "") + "\n"
    names = {option.name for option in _options(command)}
    shared = next((each for each in _SHARED.items() if names >= {option.name for option in _options(each[1])}), None)
    common = {option.name for option in _options(shared[1])} if shared else set()
    yield from _table([option for option in _options(command) if option.name not in common])
    if shared:
        yield f"And the options of {shared[0].lower()}.\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _command(name, command.commands[name], context)


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _table(options: Sequence[click.Option]) -> Iterator[str]:
    if not options:
        return
    yield "| option | |"
    yield "|---|---|"
    for option in options:
        yield f"| `{_names(option)}` | {' '.join(_facts(option))} |"
    yield ""


def _names(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or (option.name or '').upper().replace('_', '-')}"
    if isinstance(option.type, click.Choice):
        value = " " + ", ".join(option.type.choices)
    return ", ".join(option.opts) + value


def _facts(option: click.Option) -> Iterator[str]:
    """Not click's own words, which change from one release to the next."""
    yield option.help or ""
    if option.envvar:
        yield f"Also `{option.envvar}`."
    if option.show_default:
        yield f"Default: `{option.default}`."


@click.command()
@reaching
def _asks() -> None: ...


@click.command()
@changing
def _changes() -> None: ...


_SHARED: dict[str, click.Command] = {
    "Commands that change something": _changes,
    "Commands that reach the service": _asks,
}


def _other_words() -> Iterator[str]:
    yield "## Words of other products"
    yield ""
    yield "They are not accepted; the error says what to write instead."
    yield ""
    for word, ours in OTHER_WORDS.items():
        yield f"- `{word}`: `rollout {ours}`"


if __name__ == "__main__":
    import sys

    sys.stdout.buffer.write(reference().encode())
