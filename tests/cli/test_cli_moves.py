"""Moving a rollout by hand: advance, halt, resume and rollback, and what a plan does by itself."""

from __future__ import annotations

import pytest
from clikit import FLAGS, ChangedMeanwhile, Cli, entries, read

from rollout.core.errors import StoreUnavailable
from rollout.service.desk import StoreDesk
from rollout.service.operations import Request

SEARCH = """
  search:
    description: Find people
    owner: search@example.com
    enabled: true
    rollout: { audience: india, bake: 1h, stages: [1%, 100%] }
"""


def live(cli: Cli, flag: str = "payments") -> str:
    return ", ".join(f"{one['share']} of {one['audience']}" for one in cli.standing(flag)["live"]) or "nobody"


def test_advancing_asks_and_then_says_the_new_state_what_comes_next_and_how_to_undo_it(cli: Cli) -> None:
    refused = cli("advance", "payments", code=2)
    assert "payments: more people get it" in refused.err
    assert "employees: 0% → 100%" in refused.err
    result = cli("advance", "payments", "--yes", "-m", "we are ready")
    assert result.out.splitlines()[:3] == [
        "payments is rolling, at 100% of employees",
        "  employees: 0% → 100%",
        "revision 2: the store has it; no server is running",
    ]
    assert result.out.splitlines()[3].startswith("next: 1% in ")
    assert result.out.splitlines()[4] == "undo: rollout rollback payments --to 0%"
    assert entries(cli)[0]["reason"] == "we are ready"


def test_advancing_to_a_stage_admits_all_before_it(cli: Cli) -> None:
    cli("advance", "payments", "--to", "50%", "-y")
    assert live(cli) == "100% of employees, 50% of india"


def test_a_stage_that_waits_for_approval_says_how_it_is_approved(cli: Cli) -> None:
    cli.apply(FLAGS.replace("bake: 7d", "bake: 0s"))
    result = cli("advance", "payments", "--to", "1%", "-y")
    assert "next: 50%: waits for approval: rollout advance payments" in result.out


def test_at_the_end_of_the_plan_nothing_is_next(cli: Cli) -> None:
    result = cli("advance", "payments", "--to", "100%", "-y")
    assert "payments is done" in result.out
    assert "next: nothing, its plan is done" in result.out


def test_halting_and_rolling_back_never_ask(cli: Cli) -> None:
    cli("advance", "payments", "--to", "50%", "-y")
    assert "payments is halted, at 100% of employees, 50% of india" in cli("halt", "payments", "-m", "strange").out
    result = cli("rollback", "payments")
    assert "india: 50% → 1%" in result.out
    cli("rollback", "payments", "--to", "0%")
    assert live(cli) == "nobody"
    assert [entry["action"] for entry in entries(cli)[:3]] == ["rollback", "rollback", "halt"]


def test_resuming_does_not_ask_and_says_what_comes_next_and_when(cli: Cli) -> None:
    cli("advance", "payments", "-y")
    assert "undo: rollout resume payments" in cli("halt", "payments").out
    result = cli("resume", "payments")
    assert "payments is rolling" in result.out
    assert "next: 1% in " in result.out
    assert "undo: rollout halt payments" in result.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("advance", "payments", "--to", "2%"), 2, "its stages are employees, 1%, 50%, 100%"),
        (("advance", "paymets"), 2, "did you mean payments?"),
        (("advance", "merchant-payments", "-y"), 7, "locked"),
        (("advance", "business-app", "-y"), 7, "no rollout"),
        (("halt", "business-app"), 7, "no rollout to halt"),
        (("resume", "payments"), 7, "not halted"),
        (("rollback", "payments"), 7, "nothing to take back"),
        (("halt",), 2, "either a flag or --all"),
        (("halt", "payments", "--all"), 2, "either a flag or --all"),
    ],
)
def test_a_move_that_cannot_be_changes_nothing(cli: Cli, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in cli(*words, code=code).err
    assert len(entries(cli)) == 1


@pytest.mark.parametrize("verb", ["advance", "rollback", "resume", "halt"])
def test_a_dry_run_says_what_would_be_and_changes_nothing(cli: Cli, verb: str) -> None:
    cli("advance", "payments", "-y")
    if verb == "resume":
        cli("halt", "payments")
    before = len(entries(cli))
    assert "dry run, nothing was changed: afterwards payments is" in cli(verb, "payments", "-n").out
    assert len(entries(cli)) == before


def test_a_halt_goes_through_while_others_change_the_flag(cli: Cli) -> None:
    desk = ChangedMeanwhile.straight(cli.store, read)
    assert isinstance(desk, ChangedMeanwhile)
    desk.times = 3
    cli.desk_of = lambda _: desk
    cli("halt", "payments")
    assert cli.standing("payments")["state"] == "halted"


def test_moves_as_json_have_the_whole_answer(cli: Cli) -> None:
    document = cli("advance", "payments", "-y", "--json").json
    assert (document["action"], document["changed"], document["after"]["state"]) == ("advance", True, "rolling")
    assert document["undo"] == "rollout rollback payments --to 0%"


def test_halting_everything_halts_what_is_moving_and_nothing_else(cli: Cli) -> None:
    cli.apply(FLAGS + SEARCH)
    cli("advance", "payments", "-y")
    result = cli("halt", "--all", "-m", "banks fail")
    assert result.out.splitlines() == [
        "payments is halted, at 100% of employees",
        "search is halted, at nobody",
        "revision 5: the store has it; no server is running",
        "undo: rollout resume payments",
        "undo: rollout resume search",
    ]
    assert {entry["reason"] for entry in entries(cli)[:2]} == {"banks fail"}
    assert cli.standing("merchant-payments")["state"] == "disabled"
    assert "nothing to halt" in cli("halt", "--all").out


def test_a_dry_run_of_halting_everything_halts_nothing(cli: Cli) -> None:
    assert "afterwards payments is halted" in cli("halt", "--all", "--dry-run").out
    assert cli.standing("payments")["state"] == "rolling"


class OneCannotBeHalted(StoreDesk):
    def halt(self, flag: str, request: Request) -> dict:
        if flag == "payments":
            raise StoreUnavailable("the store is away")
        return super().halt(flag, request)


def test_what_fails_for_one_flag_keeps_no_other_from_being_halted(cli: Cli) -> None:
    cli.apply(FLAGS + SEARCH)
    cli.desk_of = lambda store: OneCannotBeHalted.straight(store, read)
    result = cli("halt", "--all", code=1)
    assert "error: payments: the store is away" in result.err
    assert "search is halted" in result.out
    cli("resume", "search")
    document = cli("halt", "--all", "--json", code=1).json
    assert [answer["flag"] for answer in document["flags"]] == ["search"]
    assert document["failed"] == [
        {"flag": "payments", "code": "store_unavailable", "message": "the store is away"},
    ]


def test_a_simulation_prints_when_each_stage_begins(cli: Cli) -> None:
    header, *rows = cli("simulate", "payments").rows
    assert header == ["at", "stage", "note"]
    assert [row[1:] for row in rows] == [
        ["employees", "100% of employees"],
        ["1%", "1% of india"],
        ["50%", "50% of india, if it is approved at once"],
        ["100%", "100% of india"],
        ["", "done"],
    ]
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert len(entries(cli)) == 1


def test_a_simulation_can_be_told_what_the_guards_find(cli: Cli) -> None:
    rows = cli("simulate", "payments", "--at-verdict", "1%=breached", "--at-verdict", "employees=healthy").rows
    assert rows[-1][1:] == ["", "cannot judge health: breached"]
    document = cli("simulate", "payments", "--at-verdict", "employees=too-little-data", "--json").json
    assert [event["stage"] for event in document["events"]] == ["employees", None]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("breached", "write --at-verdict 5%=breached"),
        ("=breached", "write --at-verdict 5%=breached"),
        ("2%=breached", "its stages are"),
        ("1%=bad", "verdicts are healthy, breached"),
    ],
)
def test_a_verdict_that_cannot_be_is_refused_with_what_would_be_right(cli: Cli, verdict: str, said: str) -> None:
    assert said in cli("simulate", "payments", "--at-verdict", verdict, code=2).err


def test_options_may_stand_before_the_verb_where_those_behind_it_count_more(cli: Cli) -> None:
    cli("--url", "http://there:1", "--namespace", "mine", "--timeout", "2m", "status")
    assert (cli.addresses[-1].url, cli.addresses[-1].namespace, cli.addresses[-1].timeout) == (
        "http://there:1",
        "mine",
        120,
    )
    cli("--url", "http://there:1", "status", "--url", "http://here:2")
    assert cli.addresses[-1].url == "http://here:2"


def test_an_address_before_the_verb_counts_more_than_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_URL", "http://elsewhere:3")
    cli("--url", "http://there:1", "halt", "payments")
    assert cli.addresses[-1].url == "http://there:1"
    cli("--url", "http://there:1", "version")  # has no use for it, and says nothing
