"""What became of rollouts is written into the local file: only those characters, and only where that is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from clikit import FLAGS, Cli, entries

STAGES = "stages: [employees, 1%, { percentage: 50%, approval: true }, 100%] }"


@pytest.fixture
def file(cli: Cli) -> str:
    """The file that is in force, where 2% of payments are held between two stages."""
    cli("set", "payments", "2%", "--yes")
    return cli.write(FLAGS)


def text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def test_a_share_that_is_held_becomes_a_stage_and_nothing_else_changes(cli: Cli, file: str) -> None:
    result = cli("pull", file)
    assert text(file) == FLAGS.replace("employees, 1%, {", "employees, 1%, 2%, {")
    assert f"~ payments  {file}:17" in result.out
    assert "2% of india is live, held between 1% and 50%: 2% becomes a stage" in result.out
    assert f"   21 +     rollout: {{ audience: india, bake: 7d, {STAGES.replace('1%, ', '1%, 2%, ')}" in result.out
    assert "is written" in result.out
    assert f"{file} has nothing to pull" in cli("pull", file).out
    assert len(entries(cli)) == 2
    assert "nobody gains or loses by it now" in cli("plan", file).out


@pytest.mark.parametrize("option", ["--check", "--dry-run", "-n"])
def test_nothing_is_written_where_it_is_only_asked_for(cli: Cli, file: str, option: str) -> None:
    result = cli("pull", file, option, code=3 if option == "--check" else 0)
    assert "lags behind; nothing was written" in result.out
    assert "2% becomes a stage" in result.out
    assert text(file) == FLAGS


def test_a_file_that_does_not_lag_passes_the_check(cli: Cli) -> None:
    assert "nothing to pull" in cli("pull", cli.write(FLAGS), "--check").out


def test_what_cannot_be_pulled_is_said_and_fails_the_check(cli: Cli) -> None:
    cli("set", "payments", "100%", "-y")
    file = cli.write(FLAGS)
    result = cli("pull", file)
    assert "! payments" in result.out
    assert "`rollout resume payments` first" in result.out
    assert text(file) == FLAGS
    cli("pull", file, "--check", code=3)


def test_a_finished_rollout_loses_the_stages_behind_it(cli: Cli) -> None:
    cli("advance", "payments", "--to", "100%", "-y")
    file = cli.write(FLAGS)
    cli("pull", file)
    assert "stages: [employees, 100%]" in text(file)


def test_only_the_flags_that_are_named_are_pulled(cli: Cli, file: str) -> None:
    assert "nothing to pull" in cli("pull", file, "business-app").out
    assert "2% becomes a stage" in cli("pull", "payments", file, "-n").out
    assert "no flag called 'paymets'" in cli("pull", file, "paymets", code=2).err
    assert "one file at a time" in cli("pull", file, "other.yaml", code=2).err


def test_a_broken_file_is_told_with_its_problems_and_stays_as_it_is(cli: Cli) -> None:
    broken = FLAGS.replace("country: IN,", "contry: IN,")
    file = cli.write(broken)
    assert "no attribute called 'contry'" in cli("pull", file, code=2).err
    assert text(file) == broken


def test_a_pull_as_json_says_what_was_written(cli: Cli, file: str) -> None:
    document = cli("pull", file, "-n", "--json").json
    assert (document["schema_version"], document["written"]) == (1, False)
    assert [(pull["flag"], pull["can"]) for pull in document["pulls"]] == [("payments", True)]
    assert [(line["line"], line["change"]) for line in document["lines"]] == [(21, "-"), (21, "+")]
    assert cli("pull", file, "--json").json["written"] is True


def test_the_file_of_the_environment_is_pulled(cli: Cli, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_FILE", file)
    assert "2% becomes a stage" in cli("pull", "--dry-run").out
