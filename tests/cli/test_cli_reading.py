"""Looking: status, explain and audit, for people, for pipes and for programs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from clikit import FLAGS, Cli


def test_status_in_a_pipe_is_tab_separated_with_a_header(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes", "-m", "go")
    header, *rows = cli("status").rows
    assert header == ["flag", "state", "stage", "live", "next", "owner", "file", "health", "at", "why"]
    assert [row[0] for row in rows] == ["payments", "business-app", "merchant-payments"]
    assert rows[0][1:5] == ["halted", "2/4", "100% of employees, 1% of india", "50%"]
    assert rows[0][5] == "payments@example.com"
    assert rows[0][6].startswith("held back: halted by ")
    assert rows[0][7] == "healthy"
    assert rows[0][9].startswith("halted by ")
    assert rows[2][6] == "in sync"


def test_killed_and_halted_flags_come_first(cli: Cli) -> None:
    cli("kill", "business-app")
    cli("set", "payments", "1%", "--yes")
    assert [row[:2] for row in cli("status").rows[1:]] == [
        ["business-app", "killed"],
        ["payments", "halted"],
        ["merchant-payments", "disabled"],
    ]


def test_status_of_nothing_is_a_header(empty_cli: Cli) -> None:
    assert len(empty_cli("status").rows) == 1


def test_status_as_json_is_the_services_own_document(cli: Cli) -> None:
    document = cli("status", "--json").json
    assert document["schema_version"] == 1
    assert {flag["flag"] for flag in document["flags"]} == {"payments", "merchant-payments", "business-app"}


def test_status_of_a_flag_shows_its_stages_and_who_stopped_it(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes", "-m", "one is enough")
    facts = cli("status", "payments").rows
    named = {row[0]: row[1] for row in facts}
    assert named["state"] == "halted"
    assert named["halted"].endswith(" UTC: one is enough")
    assert named["required by"] == "merchant-payments"
    assert [row[1:5] for row in facts if row[0] == "stage"] == [
        ["employees", "100% of employees", "bakes 7d", "live"],
        ["1%", "1% of india", "bakes 7d", "live"],
        ["50%", "50% of india", "bakes 7d, needs approval", "next"],
        ["100%", "100% of india", "bakes 7d", ""],
    ]


def test_status_tells_what_is_wrong_with_the_servers_files(cli: Cli) -> None:
    problem = {"file": "flags.yaml", "line": 3, "column": 1, "message": "no", "hint": "yes", "severity": "error"}
    for server in ("a", "b"):
        report = {"revision": 1, "file": {"state": "broken", "problems": [problem]}}
        cli.store.beat(server, json.dumps(report).encode(), timedelta(minutes=1))
    assert "warning: flags.yaml:3:1: no; yes (2 of 2 servers)" in cli("status").err


def test_explain_gives_the_answer_then_the_reason_then_what_would_change_it_then_each_step(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes")
    lines = cli("explain", "payments", "--user", "u-9", "-c", "country=IN", "-c", "app_version=2.18.8").out.splitlines()
    assert lines[0] == "payments is OFF for u-9"
    assert lines[1].startswith("because they are not in india")
    changes, steps = lines.index("what would change it:"), lines.index("how it came about:")
    assert 1 < changes < steps
    assert "app_version" in "\n".join(lines[changes:steps])
    assert any(line.strip().startswith("✓") and "country is IN" in line for line in lines[steps:])
    assert any("✗ app_version is >=2.18.9 (it is 2.18.8)" in line and "flags.yaml:12" in line for line in lines[steps:])
    assert any(line.strip().startswith("– stage 50%") for line in lines[steps:])


def test_explain_names_attributes_that_nobody_declared(cli: Cli) -> None:
    assert "contry" in cli("explain", "payments", "--user", "u-9", "-c", "contry=IN").out


def test_explain_as_a_test_ends_with_3_when_it_is_off(cli: Cli) -> None:
    cli("set", "payments", "0.0001%", "--yes")
    cli("explain", "payments", "--user", "u-1", "--test")
    cli("explain", "payments", "--user", "u-9", "--test", code=3)
    cli("explain", "payments", "--user", "u-9")


def test_explain_without_a_person_says_so(cli: Cli) -> None:
    assert "for somebody without a user_id" in cli("explain", "payments").out


def test_explain_wants_attributes_with_their_value_and_only_once(cli: Cli) -> None:
    assert "write -c country=IN" in cli("explain", "payments", "-c", "country", code=2).err
    assert "country is given twice" in cli("explain", "payments", "-c", "country=IN", "-c", "country=GB", code=2).err
    assert "user_id is given twice" in cli("explain", "payments", "--user", "a", "-c", "user_id=b", code=2).err


def test_an_attributes_value_may_have_an_equals_sign_and_be_empty(cli: Cli) -> None:
    assert "for a=b" in cli("explain", "payments", "-c", "user_id=a=b").out
    cli("explain", "payments", "-c", "user_id=")


def test_the_audit_says_who_what_when_before_after_and_why_newest_first(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes", "-m", "the fix is out")
    cli("kill", "payments", "-m", "banks fail")
    header, *rows = cli("audit").rows
    assert header == ["revision", "at", "actor", "action", "flag", "before", "after", "reason"]
    assert [(row[0], row[3], row[4]) for row in rows] == [
        ("3", "kill", "payments"),
        ("2", "set", "payments"),
        ("1", "apply", ""),
    ]
    assert rows[0][5] == "halted, 100% of employees, 1% of india"
    assert rows[0][6] == "killed, halted, 100% of employees, 1% of india"
    assert rows[0][7] == "banks fail"
    assert "payments (nobody)" in rows[2][6]


def test_the_audit_of_a_flag_has_the_files_that_changed_it(cli: Cli) -> None:
    cli("kill", "payments")
    rows = cli("audit", "business-app").rows[1:]
    assert [row[3] for row in rows] == ["apply"]
    assert "payments" not in rows[0][6]


def test_the_audit_goes_back_as_far_as_it_is_asked(cli: Cli) -> None:
    for number in range(6):
        cli("set", "payments", f"{6 - number}%", "--yes")
    assert revisions(cli("audit", "--limit", "2", "--json").json) == [7, 6]
    assert revisions(cli("audit", "--limit", "1000", "--json").json) == [7, 6, 5, 4, 3, 2, 1]
    page = cli("audit", "--limit", "3", "--json").json
    assert revisions(cli("audit", "--limit", "3", "--before", str(page["next_before"]), "--json").json) == [4, 3, 2]


def revisions(document: dict[str, Any]) -> list[int]:
    return [entry["revision"] for entry in document["entries"]]


def test_explain_says_which_attributes_would_not_count_from_an_app(empty_cli: Cli) -> None:
    empty_cli.apply(FLAGS.replace("country: { type: string", "country: { trusted: true, type: string"))
    said = empty_cli("explain", "payments", "--user", "u-9", "-c", "country=IN").out
    assert "from an app's own (client) key it is ignored unless signed by a server: country" in said
    assert "client" not in empty_cli("explain", "payments", "--user", "u-9").out
