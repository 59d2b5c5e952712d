"""The flags file: checked without a service, compared with what is in force, brought in force."""

from __future__ import annotations

import json

import pytest
from clikit import EMPLOYEES, FLAGS, ChangedMeanwhile, Cli, entries, read

BROKEN = FLAGS.replace("{ country: IN, app", "{ contry: IN, app").replace("owner: payments@example.com", "ownr: x")
EXPIRED = FLAGS.replace("    description: Send money\n", "    description: Send money\n    expires: 2020-01-01\n")


def test_a_good_file_is_called_good(empty_cli: Cli) -> None:
    assert "3 flags, 2 segments; no problems" in empty_cli("validate", empty_cli.write(FLAGS)).out


def test_every_problem_is_said_at_once_with_its_line_and_a_caret(empty_cli: Cli) -> None:
    result = empty_cli("validate", empty_cli.write(BROKEN), code=2)
    assert "no attribute called 'contry'" in result.out
    assert "did you mean 'country'?" in result.out
    assert "ownr" in result.out
    lines = result.out.splitlines()
    shown = next(number for number, line in enumerate(lines) if line.startswith("    match: { contry"))
    assert lines[shown + 1].strip() == "^"
    assert lines[shown + 1].index("^") == lines[shown].index("contry")
    assert lines[-1].endswith("errors")


def test_problems_as_json(empty_cli: Cli) -> None:
    for words in (("--format", "json"), ("--json",)):
        document = empty_cli("validate", empty_cli.write(BROKEN), *words, code=2).json
        assert document["schema_version"] == 1
        assert {problem["line"] for problem in document["problems"]} >= {14}
    assert empty_cli("validate", empty_cli.write(FLAGS), "--json").json["problems"] == []


def test_problems_as_annotations_of_a_pull_request(empty_cli: Cli) -> None:
    result = empty_cli("validate", empty_cli.write(BROKEN), "--format", "github", code=2)
    assert all(line.startswith("::error file=") for line in result.out.splitlines())
    assert "line=14,col=" in result.out
    assert empty_cli("validate", empty_cli.write(FLAGS), "--format", "github").out == ""


def test_a_file_that_is_not_there_is_an_invalid_file(empty_cli: Cli) -> None:
    assert "cannot be read" in empty_cli("validate", str(empty_cli.folder / "no.yaml"), code=2).out


def test_warnings_do_not_fail_unless_strict(empty_cli: Cli) -> None:
    file = empty_cli.write(FLAGS)
    (empty_cli.folder / "employees.txt").write_text("")
    result = empty_cli("validate", file)
    assert "warning" in result.out
    assert "1 warning" in result.out.splitlines()[-1]
    empty_cli("validate", file, "--strict", code=2)


def test_the_schema_is_json_that_knows_flags(empty_cli: Cli) -> None:
    assert "flags" in json.dumps(empty_cli("schema").json)


def test_a_plan_shows_what_is_new_with_its_line(empty_cli: Cli) -> None:
    file = empty_cli.write(FLAGS)
    result = empty_cli("plan", file)
    assert f"+ payments  {file}:17" in result.out
    assert "3 to add" in result.out
    assert empty_cli("audit").rows[1:] == []


def test_a_plan_ends_with_3_when_there_is_a_difference_and_that_is_asked(cli: Cli) -> None:
    same = cli.write(FLAGS)
    cli("plan", same, "--exit-code")
    assert "no difference" in cli("plan", same).out
    other = cli.write(FLAGS.replace("Send money", "Send some money"))
    assert "~ payments" in cli("plan", other, "--exit-code", code=3).out
    cli("plan", other)


def test_what_the_file_says_of_segments_is_a_difference_too(cli: Cli) -> None:
    other = cli.write(FLAGS.replace("2.18.9", "2.18.0"))
    assert "differs in something else" in cli("plan", other, "--exit-code", code=3).out


def test_a_member_file_that_changed_is_a_difference(cli: Cli) -> None:
    (cli.folder / "employees.txt").write_text(EMPLOYEES + "u-3\n")
    cli("plan", str(cli.folder / "flags.yaml"), "--exit-code", code=3)
    cli.apply()
    cli("set", "payments", "0.0001%", "--yes")
    cli("explain", "payments", "--user", "u-3", "--test")


def test_a_plan_says_what_happens_to_people_at_once(cli: Cli) -> None:
    cli("set", "payments", "100%", "--yes")
    lower = cli.write(FLAGS.replace(", { percentage: 50%, approval: true }, 100%", ""))
    assert "india: 100% → 1%" in cli("plan", lower).out


def test_a_plan_says_what_is_held_back_and_by_whom(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes")
    other = cli.write(FLAGS.replace("50%", "40%"))
    assert "held back: halted by " in cli("plan", other).out


def test_a_plan_says_which_flags_are_not_in_the_file_and_that_pruning_is_for_good(cli: Cli) -> None:
    other = cli.write(FLAGS[: FLAGS.index("  business-app:")])
    plan = cli("plan", other, "--exit-code", code=3).out
    assert "- business-app" in plan
    assert "goes on as it was" in plan
    assert "business-app  archived, for good" in cli("plan", other, "--prune").out
    cli("apply", other)
    later = cli("plan", other, "--exit-code").out
    assert "not in the file, going on as they were: business-app" in later


def test_pruning_archives(cli: Cli) -> None:
    cli("apply", cli.write(FLAGS[: FLAGS.index("  business-app:")]), "--prune")
    assert [row[0] for row in cli("status").rows[1:]] == ["payments", "merchant-payments"]
    assert "archived" in cli("apply", cli.write(FLAGS), code=7).err


def test_a_plan_as_json_says_whether_it_differs(cli: Cli) -> None:
    document = cli("plan", cli.write(FLAGS), "--json").json
    assert document["schema_version"] == 1
    assert document["differs"] is False


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_broken_file_is_told_with_its_problems_and_changes_nothing(cli: Cli, verb: str) -> None:
    result = cli(verb, cli.write(BROKEN), code=2)
    assert "no attribute called 'contry'" in result.err
    assert "^" in result.err
    document = cli(verb, cli.write(BROKEN), "--json", code=2).json
    assert document["error"]["code"] == "invalid_file"
    assert document["error"]["problems"][0]["line"] == 14
    assert len(entries(cli)) == 1


def test_applying_brings_the_file_in_force_with_its_member_lists(empty_cli: Cli) -> None:
    result = empty_cli("apply", empty_cli.write(FLAGS), "-m", "the first")
    assert "3 added" in result.out
    assert "revision 1" in result.out
    assert entries(empty_cli)[0]["reason"] == "the first"
    empty_cli("set", "payments", "0.0001%", "--yes")
    empty_cli("explain", "payments", "--user", "u-2", "--test")


def test_applying_what_is_in_force_changes_nothing(cli: Cli) -> None:
    assert "no difference" in cli("apply", cli.write(FLAGS)).out
    assert len(entries(cli)) == 1


def test_applying_a_flag_that_is_on_for_everyone_at_once_asks(cli: Cli) -> None:
    more = FLAGS + "\n  search:\n    description: Search\n    owner: a@example.com\n    enabled: true\n"
    refused = cli("apply", cli.write(more), code=2)
    assert "search: everyone: 0% → 100%" in refused.err
    cli("apply", cli.write(more), "--yes")


def test_a_dry_run_of_applying_is_a_plan(empty_cli: Cli) -> None:
    result = empty_cli("apply", empty_cli.write(FLAGS), "--dry-run")
    assert "3 to add" in result.out
    assert "nothing was changed" in result.out
    assert entries(empty_cli) == []


def test_applying_on_the_condition_of_a_revision_is_refused_when_something_moved(cli: Cli) -> None:
    cli("kill", "payments")
    other = cli.write(FLAGS.replace("Send money", "Send some money"))
    cli("apply", other, "--revision", "1", code=5)
    cli("apply", other, "--revision", "2")


def test_applying_is_refused_when_something_moved_since_it_was_planned(cli: Cli) -> None:
    cli.desk_of = lambda store: ChangedMeanwhile.straight(store, read)
    result = cli("apply", cli.write(FLAGS.replace("Send money", "Send some money")), code=5)
    assert "look at it again" in result.err
    assert [entry["action"] for entry in entries(cli)] == ["kill", "apply"]


def test_applying_as_json_says_what_was_changed(empty_cli: Cli) -> None:
    document = empty_cli("apply", empty_cli.write(FLAGS), "--json").json
    assert document["schema_version"] == 1
    assert document["changed"] is True
    assert {flag["flag"] for flag in document["flags"]} == {"payments", "merchant-payments", "business-app"}
