"""The command `rollout`: its verbs, and how it ends. A verb is one module of `commands` and one line in VERBS, and is
imported only when it is called, so that `--help` and a kill at night are quick. However a command ends, it is with our
own words and an exit code of the table, never with a traceback.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from rollout import __version__
from rollout.cli.defaults import known_options
from rollout.cli.exits import INTERRUPTED, MEANING, Exit, exit_of
from rollout.cli.gateway import open_desk
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.core.errors import InvalidFile, InvalidInput, RolloutError

VERBS: dict[str, dict[str, str]] = {
    "Look": {
        "status": "Where every flag stands, or one with its stages.",
        "explain": "Why somebody has a flag or not.",
        "diff": "What changed for people between two moments.",
        "simulate": "The timetable that a rollout follows from now on.",
        "preview": "Who would gain a flag and who would lose it, of a whole population.",
        "cohort": "Who of a whole population has a flag.",
        "pending": "What waits for a second person, and what was done alone.",
        "audit": "Who changed what, when and why; newest first.",
    },
    "Change": {
        "set": "Give a flag to a share of its audience, and hold there.",
        "advance": "Go to the next stage of the plan, now.",
        "halt": "Stop a rollout where it is; those who have the flag keep it.",
        "resume": "Let a halted rollout move again.",
        "rollback": "Go back to the stage before, and hold there.",
        "kill": "Take a flag from everyone, now.",
        "revive": "Lift a kill; the rollout stays halted.",
        "approve": "Agree to a change of somebody else that takes more than one person.",
        "reject": "Say no to a change that waits for approval.",
    },
    "The file": {
        "validate": "Check a flags file, without a service.",
        "plan": "What applying a flags file would do.",
        "apply": "Bring a flags file in force.",
        "pull": "Write into a flags file where its rollouts stand.",
        "schema": "Print the JSON Schema of flags files, for editors.",
        "guard": "Try a guard before it is trusted with a rollout.",
    },
    "Keys": {
        "keys": "Make, list, rotate and revoke callers' keys.",
    },
    "Run": {
        "doctor": "What is wrong with this installation, or soon will be.",
        "serve": "Run the service.",
        "version": "Print the version.",
    },
}

ALL_VERBS = [verb for section in VERBS.values() for verb in section]

# Other products' words, and what to say instead.
OTHER_WORDS = {
    "promote": "advance",
    "review": "pending",
    "deny": "reject",
    "pause": "halt",
    "stop": "halt",
    "unpause": "resume",
    "continue": "resume",
    "abort": "rollback",
    "undo": "rollback",
    "revert": "rollback",
    "disable": "kill",
    "off": "kill",
    "enable": "revive",
    "toggle": "set",
    "on": "set",
    "list": "status",
    "get": "status",
    "watch": "status",
    "history": "audit",
    "lint": "validate",
}


class App(click.Group):
    """click's group with our verbs, errors and exit codes."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Ends the process. `obj`: another `gateway.OpenDesk`."""
        arguments = list(sys.argv[1:] if args is None else args)
        options = {"prog_name": "rollout", "obj": open_desk, **options, "standalone_mode": False}
        sys.exit(_ended(lambda: super(App, self).main(arguments, *rest, **options), "--json" in arguments))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return ALL_VERBS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ALL_VERBS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(f"rollout.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in ALL_VERBS:
            raise InvalidInput(*_no_command(args[0]))
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, _with_what_stood_before(ctx, command, rest)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, verbs in VERBS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()), col_max=12)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANING.items()])


def _with_what_stood_before(ctx: click.Context, command: click.Command | None, rest: list[str]) -> list[str]:
    """The words behind the verb. Where those begin with a verb of its own, options belong behind that."""
    inner = command.get_command(ctx, rest[0]) if isinstance(command, click.Group) and rest else None
    if inner is None:
        return [*_before_the_verb(ctx, command), *rest]
    return [rest[0], *_before_the_verb(ctx, inner), *rest[1:]]


def _before_the_verb(ctx: click.Context, command: click.Command | None) -> list[str]:
    """Options that were written before the verb, as if behind it: what is written again there counts more. A verb that
    does not reach the service has no use for them."""
    known = known_options(command) if command else set()
    given = {name: value for name, value in ctx.params.items() if value is not None and name in known}
    return [f"--{name}={value}" for name, value in given.items()]


def _no_command(word: str) -> tuple[str, str]:
    from difflib import get_close_matches  # noqa: PLC0415  # only for whoever mistypes

    ours = OTHER_WORDS.get(word.lower())
    meant = [ours] if ours else get_close_matches(word, ALL_VERBS)
    said = f"no command {word!r}"
    return f"{said}; did you mean `rollout {meant[0]}`?" if meant else said, "`rollout --help` lists the commands"


@click.group("rollout", cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--url", metavar="URL", help="For all commands that reach the service: where it is.")
@click.option("--namespace", metavar="NAMESPACE", help="The prefix of all keys in the store.")
@click.option("--timeout", metavar="SECONDS", help="How long to wait for an answer.")
@click.version_option(__version__, message="%(prog)s %(version)s")
def app(**_before_the_verb: str | None) -> None:
    """Staged rollouts and feature flags that stop in time.

    In an incident: `rollout kill FLAG` takes a flag from everyone, `rollout halt --all` stops every rollout where it
    is, `rollout status` shows where everything stands. Every command explains itself: `rollout kill --help`.
    """


def _ended(run: Callable[[], object], as_json: bool) -> int:
    """The exit code of `run`, after saying what went wrong, if anything did."""
    try:
        code = _answered(run, as_json)
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever read us has seen enough
        _discard_output()
        return Exit.FAILED
    return code


def _answered(run: Callable[[], object], as_json: bool) -> int:
    try:
        code = run()
    except RolloutError as error:
        _tell(error, as_json)
        return exit_of(error)
    except click.UsageError as error:
        _tell(InvalidInput(error.format_message(), _usage_hint(error)), as_json)
        return Exit.USAGE
    except click.ClickException as error:
        _tell(RolloutError(error.format_message()), as_json)
        return Exit.FAILED
    except (click.Abort, KeyboardInterrupt):
        stderr().line("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("ROLLOUT_TRACEBACK"):
            raise
        said = f"something unexpected: {type(error).__name__}: {error}"
        _tell(RolloutError(said, "this is a fault in rollout itself; ROLLOUT_TRACEBACK=1 shows where"), as_json)
        return Exit.FAILED
    return code if isinstance(code, int) else Exit.DONE


def _usage_hint(error: click.UsageError) -> str:
    return f"`{error.ctx.command_path} --help` explains it" if error.ctx else "`rollout --help` explains it"


def _tell(error: RolloutError, as_json: bool) -> None:
    """In words on stderr; also as JSON on stdout for whoever asked for JSON."""
    terminal = stderr()
    if isinstance(error, InvalidFile):
        _tell_problems(error, terminal)
    else:
        terminal.line(Styled("error: ", "strong red"), error.message)
    if error.hint:
        terminal.line(Styled("hint: ", "bold"), error.hint)
    if as_json:
        stdout().json({"schema_version": 1, "error": _document(error)})


def _tell_problems(invalid: InvalidFile, terminal: Terminal) -> None:
    from rollout.cli.problems import tell_problems  # noqa: PLC0415  # only here and in `validate`

    tell_problems(terminal, invalid.problems)


def _document(error: RolloutError) -> dict[str, Any]:
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.hint:
        said["hint"] = error.hint
    if isinstance(error, InvalidFile):
        from rollout.cli.problems import problems_document  # noqa: PLC0415

        said["problems"] = problems_document(error.problems)
    return said


def _discard_output() -> None:
    """Python would try to write the rest at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError):
            continue
