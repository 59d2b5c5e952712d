"""How commands end: exit codes, errors in words and as JSON, other products' words, and never a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from clikit import Cli

from rollout.cli.app import ALL_VERBS, OTHER_WORDS, VERBS, app
from rollout.cli.exits import MEANING, CannotCome, Exit, TimedOut, Unreachable, exit_of
from rollout.cli.gateway import Address
from rollout.cli.reference import reference
from rollout.core import errors
from rollout.service.desk import Desk


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RolloutError("x"), 1),
        (errors.StoreUnavailable("x"), 1),
        (Unreachable("x"), 1),
        (errors.InvalidInput("x"), 2),
        (errors.InvalidFile(()), 2),
        (errors.UnknownFlag("x"), 2),
        (errors.NotAllowed("x"), 4),
        (errors.RevisionConflict("x"), 5),
        (errors.OutdatedView("x"), 5),
        (TimedOut("x"), 6),
        (errors.RefusedByRule("x"), 7),
        (CannotCome("x"), 8),
    ],
)
def test_every_error_has_its_exit_code(error: errors.RolloutError, code: int) -> None:
    assert exit_of(error) == code


def test_every_exit_code_has_a_meaning() -> None:
    assert list(MEANING) == list(Exit)


@pytest.mark.parametrize(
    ("word", "verb"),
    [
        ("disable", "kill"),
        ("off", "kill"),
        ("enable", "revive"),
        ("list", "status"),
        ("abort", "rollback"),
        ("promote", "advance"),
        ("pause", "halt"),
        ("unpause", "resume"),
        ("undo", "rollback"),
        ("get", "status"),
    ],
)
def test_other_products_words_are_not_accepted_but_understood(cli: Cli, word: str, verb: str) -> None:
    result = cli(word, "payments", code=2)
    assert f"no command '{word}'; did you mean `rollout {verb}`?" in result.err


def test_no_command_is_suggested_that_does_not_exist() -> None:
    assert set(OTHER_WORDS.values()) <= set(ALL_VERBS)
    assert not set(OTHER_WORDS) & set(ALL_VERBS)


def test_a_mistyped_command_is_guessed(cli: Cli) -> None:
    assert "did you mean `rollout status`?" in cli("stauts", code=2).err


@pytest.mark.parametrize(
    "words",
    [
        ("kill",),
        ("set", "payments"),
        ("kill", "payments", "--bogus"),
        ("kill", "payments", "--timeout", "soon"),
        ("kill", "payments", "--timeout", "nan"),
        ("kill", "payments", "--timeout", "0"),
        ("audit", "--limit", "0"),
        ("--bogus",),
    ],
)
def test_wrong_usage_ends_with_2_and_a_hint(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli(*words, code=2)
    assert result.err.startswith("error: ")
    assert "hint: " in result.err
    assert result.out == ""


def test_with_json_an_error_is_a_document_as_well(cli: Cli) -> None:
    for words in (("kill", "paymets"), ("set", "payments", "5"), ("pause",), ("status", "--bogus")):
        result = cli(*words, "--json", code=2)
        assert result.json["schema_version"] == 1
        assert set(result.json["error"]) >= {"code", "message"}
        assert result.err.startswith("error: ")
    assert cli("kill", "paymets", "--json", code=2).json["error"]["code"] == "unknown_flag"


def test_an_address_of_an_unknown_kind_is_refused_without_showing_its_password() -> None:
    result = CliRunner().invoke(app, ["status", "--url", "postgres://me:secret@db/1"])
    assert result.exit_code == 2
    assert "redis://" in result.stderr
    assert "secret" not in result.output


def test_what_nobody_expected_is_one_line_and_no_traceback() -> None:
    @contextmanager
    def broken(_: Address) -> Iterator[Desk]:
        raise ZeroDivisionError("the moon")
        yield

    result = CliRunner().invoke(app, ["status"], obj=broken)
    assert result.exit_code == 1
    assert "something unexpected: ZeroDivisionError: the moon" in result.stderr
    assert "Traceback" not in result.output


def test_the_version_is_the_same_everywhere(cli: Cli) -> None:
    version = cli("version", "--json").json["version"]
    assert cli("version").out == f"rollout {version}\n"
    assert cli("--version").out == f"rollout {version}\n"


def test_every_command_explains_itself_with_the_line_that_help_shows(cli: Cli) -> None:
    overview = cli("--help").out
    for verbs in VERBS.values():
        for verb, line in verbs.items():
            assert line in " ".join(cli(verb, "--help").out.split())
            assert line in overview


def test_help_shows_the_exit_codes(cli: Cli) -> None:
    assert "refused by a rule" in cli("--help").out


def test_the_reference_is_what_the_commands_say() -> None:
    written = Path(__file__).parents[2] / "docs" / "cli.md"
    assert written.read_text(encoding="utf-8") == reference(), "python -m rollout.cli.reference > docs/cli.md"


def test_options_of_the_environment_count_less_than_those_that_are_written(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_URL", "http://there:1")
    monkeypatch.setenv("ROLLOUT_NAMESPACE", "mine")
    cli("status")
    cli("status", "--url", "http://here:2", "--timeout", "1.5")
    assert cli.addresses[-2:] == [Address("http://there:1", "mine", 10), Address("http://here:2", "mine", 1.5)]


def test_a_file_is_found_by_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_FILE", str(cli.folder / "flags.yaml"))
    assert "no problems" in cli("validate").out


def test_json_is_ascii_and_so_safe_everywhere(cli: Cli) -> None:
    cli("kill", "payments", "-m", "बैंक \x1b[2J")
    out = cli("audit", "--json").out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)["entries"][0]["reason"] == "बैंक \x1b[2J"
