"""`guard backtest`: histories read strictly, replayed, and told."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from clikit import FLAGS, Cli, at_terminal

START = datetime(2026, 3, 1, tzinfo=UTC)
BANKS = "  bank: { type: string, values: [SBI, ICICI, HDFC] }\n"
GUARDED = FLAGS.replace("  app_version: {", f"{BANKS}  app_version: {{").replace(
    "flags:\n",
    """\
guards:
  upi-failures: { metric: upi-transfer, max: 2%, by: bank, action: exclude }
  upi-overall: { metric: upi-transfer, max: 2%, action: halt }
  crashes: { metric: crash, against: control, max_ratio: 1.25, action: halt }
  can-pay: { metric: payment, min: 5/m, action: warn }

flags:
""",
    1,
)


def csv(header: str, rows: Iterable[object]) -> str:
    """Rows after `at`, minute by minute from the same moment on."""
    lines = [f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%MZ},{cells}" for minute, cells in enumerate(rows)]
    return "\n".join([header, *lines]) + "\n"


def calm(minutes: int = 300) -> str:
    dice = random.Random(3)
    failed = [sum(dice.random() < 0.01 for _ in range(20)) for _ in range(minutes)]
    return csv("at,ok,failed", (f"{20 - one},{one}" for one in failed))


def by_bank(bad: str = "SBI", minutes: int = 100) -> str:
    lines = csv("at,ok,failed", ["20,0"] * minutes).splitlines()[1:]
    counted = {bank: "10,10" if bank == bad else "20,0" for bank in ("SBI", "ICICI", "HDFC")}
    rows = [line.replace("20,0", f"{bank},{counts}") for line in lines for bank, counts in counted.items()]
    return "\n".join(["at,value,ok,failed", *rows]) + "\n"


@pytest.fixture
def guarded(empty_cli: Cli) -> Cli:
    empty_cli.write(GUARDED)
    return empty_cli


def test_a_calm_history_rings_no_alarm(empty_cli: Cli) -> None:
    result = empty_cli("guard", "backtest", empty_cli.write(calm(), "history.csv"), "--max", "2%")
    header, group = result.rows
    said = dict(zip(header, group, strict=True))
    assert (said["minutes"], said["outcomes"], said["false_alarms"]) == ("300", "6000", "0")
    assert 0.7 < float(said["dispersion"]) < 1.3


def test_a_guard_of_the_file_judges_each_value(guarded: Cli) -> None:
    file = guarded.write(by_bank(), "history.csv")
    flags = str(guarded.folder / "flags.yaml")
    document = guarded("guard", "backtest", file, "--guard", "upi-failures", "-f", flags, "--json").json
    assert {group["value"]: bool(group["false_alarms"]) for group in document["groups"]} == {
        "SBI": True,
        "ICICI": False,
        "HDFC": False,
    }
    assert {group["alpha"] for group in document["groups"]} == {"1/300"}
    assert document["false_alarms"] == len(document["groups"][0]["false_alarms"]) > 1
    assert document["from"] == "2026-03-01T00:00:00+00:00"
    assert document["question"] == "upi-transfer (all) by bank: max 2%"
    together = guarded("guard", "backtest", file, "--guard", "upi-overall", "-f", flags, "--json").json
    assert [group["value"] for group in together["groups"]] == [None]


def test_what_is_asked_stands_in_for_what_the_guard_says(guarded: Cli) -> None:
    file, flags = guarded.write(by_bank(), "history.csv"), str(guarded.folder / "flags.yaml")
    asked = ("--guard", "upi-failures", "-f", flags, "--json")
    assert guarded("guard", "backtest", file, *asked, "--max", "60%").json["false_alarms"] == 0
    document = guarded("guard", "backtest", file, *asked, "--confidence", "99.9%", "--min-samples", "2000").json
    assert (document["confidence"], document["min_samples"]) == ("99.9%", 2000)
    assert document["false_alarms"] == 1


def test_a_bound_alone_is_enough_and_values_are_judged_where_there_are_any(empty_cli: Cli) -> None:
    file = empty_cli.write(by_bank(), "history.csv")
    document = empty_cli("guard", "backtest", file, "--max", "2%", "--json").json
    assert [group["alpha"] for group in document["groups"]] == ["1/300"] * 3


def test_guards_against_control_and_of_rates_have_their_columns(guarded: Cli) -> None:
    flags = str(guarded.folder / "flags.yaml")
    both = guarded.write(csv("at,ok,failed,control_ok,control_failed", ["10,10,100,2"] * 30), "both.csv")
    document = guarded("guard", "backtest", both, "--guard", "crashes", "-f", flags, "--json").json
    assert document["false_alarms"] > 0
    assert (document["groups"][0]["control_outcomes"], document["groups"][0]["control_failed"]) == (3060, 60)
    rate = guarded.write(csv("at,ok,failed", ["9,0"] * 30 + ["0,9"] * 5), "rate.csv")
    assert guarded("guard", "backtest", rate, "--guard", "can-pay", "-f", flags, "--json").json["false_alarms"] == 1


def test_values_that_are_not_declared_are_not_judged(guarded: Cli) -> None:
    file = guarded.write(by_bank().replace("SBI", "Axis"), "history.csv")
    flags = str(guarded.folder / "flags.yaml")
    document = guarded("guard", "backtest", file, "--guard", "upi-failures", "-f", flags, "--json").json
    assert {group["value"]: group["judged"] for group in document["groups"]} == {
        "Axis": False,
        "ICICI": True,
        "HDFC": True,
    }
    assert document["false_alarms"] == 0


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("at,ok,fail\n", 1, "no column is called 'fail'; did you mean 'failed'?"),
        ("at,ok,ok,failed\n", 1, "column 'ok' is there twice"),
        ("", 1, "there is no column 'at'"),
        ("at,ok,failed\n", 1, "there is no minute in it"),
        ("at,ok,failed\n2026-03-01T12:03Z,1\n", 2, "2 cells in place of 3"),
        (
            "at,ok,failed\n\n2026-03-01 12:03,1,1\n",
            3,
            "not a time with its zone (RFC 3339); write 2026-03-01T12:03:00Z",
        ),
        ("at,ok,failed\n2026-02-30T12:03Z,1,1\n", 2, "not in any calendar"),
        ("at,ok,failed\n0001-01-01T00:03+05:30,1,1\n", 2, "not in any calendar"),
        ("at,ok,failed\n2026-03-01T12:03:30Z,1,1\n", 2, "within a minute; count whole minutes"),
        (
            "at,ok,failed\n2026-03-01T12:03Z,-1,1\n",
            2,
            "ok: '-1' is not a number of outcomes; write a whole number from 0",
        ),
        ("at,ok,failed\n2026-03-01T12:03Z,1,1.5\n", 2, "failed: '1.5' is not a number of outcomes"),
        ("at,value,ok,failed\n2026-03-01T12:03Z,,1,1\n", 2, "value: it is empty"),
        ("at,ok,failed\n2026-03-01T12:03Z,1,1\n2026-03-01T17:33+05:30,1,1\n", 3, "given in line 2 already"),
        ("at,ok,failed\n2016-03-01T12:03Z,1,1\n2026-03-01T12:03Z,1,1\n", 1, "is a date mistyped?"),
        ('at,ok,failed\n"2026,1,1\n', 2, "this is not CSV"),
    ],
)
def test_what_is_wrong_with_a_history_is_said_with_its_line(empty_cli: Cli, text: str, line: int, said: str) -> None:
    file = empty_cli.write(text, "history.csv")
    result = empty_cli("guard", "backtest", file, "--max", "2%", code=2)
    assert said in result.err
    assert f"history.csv:{line}:" in result.err
    assert result.out == ""


def test_all_problems_are_said_at_once_up_to_a_few(empty_cli: Cli) -> None:
    three = empty_cli.write(csv("at,ok,failed", ["x,1", "1,y", "1,1", "z,z"]), "three.csv")
    assert empty_cli("guard", "backtest", three, "--max", "2%", code=2).err.count(": error: ") == 4
    many = empty_cli.write(csv("at,ok,failed", ["x,1"] * 500), "many.csv")
    assert empty_cli("guard", "backtest", many, "--max", "2%", code=2).err.count(": error: ") == 20


def test_a_history_that_is_not_there_or_not_text(empty_cli: Cli) -> None:
    assert "cannot be read" in empty_cli("guard", "backtest", "/nowhere/h.csv", "--max", "2%", code=2).err
    (empty_cli.folder / "h.csv").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in empty_cli("guard", "backtest", str(empty_cli.folder / "h.csv"), "--max", "2%", code=2).err


def test_columns_that_the_guard_needs_are_asked_for(guarded: Cli) -> None:
    file, flags = guarded.write(calm(20), "history.csv"), str(guarded.folder / "flags.yaml")
    for name, said in (("upi-failures", "judges each bank on its own"), ("crashes", "no column 'control_ok'")):
        assert said in guarded("guard", "backtest", file, "--guard", name, "-f", flags, code=2).err


def test_which_guard_is_meant_must_be_said_and_make_sense(guarded: Cli) -> None:
    file, flags = guarded.write(calm(20), "history.csv"), str(guarded.folder / "flags.yaml")
    assert "--max 2%" in guarded("guard", "backtest", file, code=2).err
    assert "Missing command" in guarded("guard", code=2).err
    slip = guarded("guard", "backtest", file, "--guard", "upi-failure", "-f", flags, code=2)
    assert "did you mean 'upi-failures'?" in slip.err
    unfit = guarded("guard", "backtest", file, "--guard", "can-pay", "-f", flags, "--max", "2%", code=2)
    assert "has no 'max'" in unfit.err
    assert "write 2%" in guarded("guard", "backtest", file, "--max", "2", code=2).err
    unsure = guarded("guard", "backtest", file, "--max", "2%", "--confidence", "40%", code=2)
    assert "from 50%" in unsure.err


def test_on_a_terminal_it_says_what_that_means(empty_cli: Cli) -> None:
    calm_file, bursts = empty_cli.write(calm(), "calm.csv"), empty_cli.write(by_bank(), "bursts.csv")
    code, shown = at_terminal("guard", "backtest", calm_file, "--max", "2%", env={"NO_COLOR": "1"})
    assert code == 0
    assert "no false alarm in 5h" in shown
    assert "as evenly as a guard assumes" in shown
    code, shown = at_terminal("guard", "backtest", bursts, "--max", "2%", env={"NO_COLOR": "1"})
    assert "false alarms in 1h 40m; 99% of histories that keep the bound have none" in shown
    assert "more" in shown


def test_bursts_are_called_so_on_a_terminal(empty_cli: Cli) -> None:
    rows = (["20,0"] * 40 + ["5,15"]) * 5
    file = empty_cli.write(csv("at,ok,failed", rows), "history.csv")
    _, shown = at_terminal("guard", "backtest", file, "--max", "2%", env={"NO_COLOR": "1"})
    assert "failures come in bursts" in shown
