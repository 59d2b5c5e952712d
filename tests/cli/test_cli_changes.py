"""Changes: looked at first, asked about where more people would get something, made once, told afterwards."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from clikit import FLAGS, ChangedMeanwhile, Cli, entries, read

from rollout.stores.memory import MemoryFlagStore


def beat(store: MemoryFlagStore, server: str, worker: str, revision: int, kind: str = "worker") -> None:
    report = {"kind": kind, "server": server, "revision": revision}
    store.beat(f"{server}/{worker}", json.dumps(report).encode(), timedelta(minutes=1))


def test_setting_a_share_says_the_new_state_who_gains_and_how_to_undo_it(cli: Cli) -> None:
    result = cli("set", "payments", "1%", "--yes", "-m", "the fix is out")
    assert result.out.splitlines() == [
        "payments is halted, at 100% of employees, 1% of india",
        "  india: 0% → 1%",
        "  employees: 0% → 100%",
        "revision 2: the store has it; no server is running",
        "undo: rollout rollback payments --to 0%",
    ]


def test_half_a_percent_is_a_share(cli: Cli) -> None:
    cli("set", "payments", "0.5%", "-y")
    assert {"audience": "india", "share": "0.5%"} in cli.standing("payments")["live"]


@pytest.mark.parametrize(
    ("share", "hint"),
    [
        ("5", "write 5%"),
        ("0.5", "write 0.5%"),
        ("101%", "from 0% to 100%"),
        ("-1%", "from 0% to 100%"),
        ("-5", "from 0% to 100%"),
        ("nan", "such as 1% or 0.5%"),
        ("1 %", "write 1%"),
        ("all", "such as 1% or 0.5%"),
    ],
)
def test_a_share_that_cannot_be_is_refused_with_what_would_be_right(cli: Cli, share: str, hint: str) -> None:
    result = cli("set", "payments", share, "--yes", code=2)
    assert "error: " in result.err
    assert hint in result.err
    assert cli.standing("payments")["live"] == []


def test_a_reason_may_look_like_a_negative_share(cli: Cli) -> None:
    cli("set", "payments", "1%", "-y", "-m", "-5%")
    assert entries(cli)[0]["reason"] == "-5%"


def test_more_exposure_without_a_terminal_needs_yes_and_says_who_would_gain(cli: Cli) -> None:
    result = cli("set", "payments", "1%", code=2)
    assert "india: 0% → 1%" in result.err
    assert "--yes" in result.err
    assert len(entries(cli)) == 1


def test_less_exposure_never_asks(cli: Cli) -> None:
    cli("set", "payments", "50%", "--yes")
    cli("set", "payments", "1%")
    cli("kill", "payments")
    assert cli.standing("payments")["state"] == "killed"


def test_a_dry_run_says_what_would_be_and_changes_nothing(cli: Cli) -> None:
    result = cli("set", "payments", "1%", "--dry-run")
    assert "dry run, nothing was changed" in result.out
    assert "india: 0% → 1%" in result.out
    assert len(entries(cli)) == 1


def test_a_kill_says_what_else_goes_off_and_how_to_undo_it(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes")
    result = cli("kill", "payments", "-m", "banks fail")
    assert "payments is killed: off for everyone" in result.out
    assert "off with it, since they require it: merchant-payments" in result.out
    assert "undo: rollout revive payments" in result.out


def test_killing_what_is_killed_changes_nothing_and_is_no_error(cli: Cli) -> None:
    cli("kill", "payments")
    result = cli("kill", "payments")
    assert "nothing to change: payments is killed" in result.out
    assert [entry["action"] for entry in entries(cli)] == ["kill", "apply"]


def test_a_kill_goes_through_while_others_change_the_flag(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes")
    cli.desk_of = lambda store: interfering(store, times=3)
    cli("kill", "payments")
    assert cli.standing("payments")["state"] == "killed"


def test_any_other_change_is_refused_when_the_flag_moved_since_it_was_looked_at(cli: Cli) -> None:
    cli.desk_of = lambda store: interfering(store, times=1)
    result = cli("set", "payments", "50%", "--yes", code=5)
    assert "look at it again" in result.err
    assert entries(cli)[0]["reason"] == "somebody else"


def interfering(store: MemoryFlagStore, times: int) -> ChangedMeanwhile:
    desk = ChangedMeanwhile.straight(store, read)
    assert isinstance(desk, ChangedMeanwhile)
    desk.times = times
    return desk


def test_reviving_asks_since_people_get_it_back(cli: Cli) -> None:
    cli("set", "payments", "1%", "--yes")
    cli("kill", "payments")
    refused = cli("revive", "payments", code=2)
    assert "india: 0% → 1%" in refused.err
    result = cli("revive", "payments", "--yes")
    assert "payments is halted, at 100% of employees, 1% of india" in result.out
    assert "undo: rollout kill payments" in result.out


def test_reviving_a_flag_that_has_only_rules_asks_as_well(cli: Cli) -> None:
    cli("kill", "business-app")
    assert "those whom its rules serve" in cli("revive", "business-app", code=2).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "payments", "1%", "--audience", "employes", "--yes"), "does not speak of employes"),
        (("set", "merchant-payments", "1%", "--yes"), "locked"),
        (("revive", "payments", "--yes"), "is not killed"),
        (("set", "business-app", "1%", "--yes"), "no rollout"),
    ],
)
def test_what_a_rule_forbids_ends_with_7(cli: Cli, words: tuple[str, ...], said: str) -> None:
    assert said in cli(*words, code=7).err


def test_a_flag_that_does_not_exist_is_named_and_the_one_that_was_meant(cli: Cli) -> None:
    result = cli("kill", "paymets", code=2)
    assert "no flag called 'paymets'" in result.err
    assert "did you mean payments?" in result.err


def test_every_change_says_who_made_it_with_what(cli: Cli) -> None:
    cli("kill", "payments", "-m", "banks fail")
    entry = entries(cli)[0]
    assert entry["actor"]["kind"] == "human"
    assert entry["actor"]["id"]
    assert entry["origin"]["tool"].startswith("rollout cli/")
    assert entry["reason"] == "banks fail"


def test_a_change_tells_how_many_servers_have_it(cli: Cli) -> None:
    for worker in ("1", "2"):
        beat(cli.store, "a", worker, revision=9)
        beat(cli.store, "b", worker, revision=9)
    beat(cli.store, "b", "main", revision=1, kind="server")  # which answers no checks
    assert "revision 2: 2 of 2 servers in 0.0 s" in cli("kill", "payments").out


def test_one_server_is_counted_in_the_singular(cli: Cli) -> None:
    beat(cli.store, "a", "1", revision=9)
    assert "revision 2: 1 of 1 server in 0.0 s" in cli("kill", "payments").out


def test_a_server_one_of_whose_workers_lags_does_not_have_it(cli: Cli) -> None:
    beat(cli.store, "a", "1", revision=9)
    beat(cli.store, "b", "1", revision=9)
    beat(cli.store, "b", "2", revision=1)
    result = cli("kill", "payments", "--json").json
    assert (result["servers"]["have"], result["servers"]["of"]) == (1, 2)


def test_nobody_waits_for_servers_with_no_wait(cli: Cli) -> None:
    beat(cli.store, "a", "1", revision=1)
    result = cli("kill", "payments", "--no-wait")
    assert "server" not in result.out


def test_json_has_the_whole_answer_and_what_it_means_for_others(cli: Cli) -> None:
    document = cli("kill", "payments", "--json").json
    assert document["schema_version"] == 1
    assert document["after"]["state"] == "killed"
    assert document["changed"] is True
    assert document["required_by"] == ["merchant-payments"]
    assert document["undo"] == "rollout revive payments"


def test_a_share_beyond_the_plan_needs_to_be_meant(cli: Cli) -> None:
    cli.apply(FLAGS.replace(", { percentage: 50%, approval: true }, 100%", ""))
    assert "--beyond-plan" in cli("set", "payments", "5%", "-y", code=7).err
    cli("set", "payments", "5%", "-y", "--beyond-plan")
    assert {"audience": "india", "share": "5%"} in cli.standing("payments")["live"]
