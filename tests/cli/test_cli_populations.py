"""Whole populations from a terminal: who is in a cohort, and who would gain or lose."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest
from clikit import EMPLOYEES, FLAGS, Cli, at_terminal, run

from rollout.core.bucketing import bucket
from rollout.core.shares import Share
from rollout.stores.embedded import EmbeddedStore

IDS = [f"u-{number}" for number in range(1000)]
COUNTRIES = ["IN", "GB", None, "IN"] * 250
PEOPLE = pa.table({"user_id": IDS, "country": COUNTRIES, "app_version": ["2.18.9", "2.18.9", "3", "2.18.8"] * 250})


@pytest.fixture
def users(tmp_path: Path) -> str:
    pa_parquet.write_table(PEOPLE, tmp_path / "users.parquet")
    return str(tmp_path / "users.parquet")


@pytest.fixture
def flags(empty_cli: Cli) -> str:
    return empty_cli.write(FLAGS)


def admitted(share: str) -> list[str]:
    """Who has payments there, by hand: the employees, and this much of those in India on an app that can pay."""
    threshold = Share.parse(share).threshold
    return [
        user
        for number, user in enumerate(IDS)
        if user in EMPLOYEES.split() or (number % 4 == 0 and bucket("payments", user) < threshold)
    ]


def test_a_cohort_is_those_whom_the_flag_would_be_on_for(cli: Cli, flags: str, users: str, tmp_path: Path) -> None:
    for name in ("cohort.parquet", "cohort.csv"):
        out = tmp_path / name
        result = cli("cohort", "payments", "-f", flags, "--users", users, "--at", "25%", "-o", str(out))
        rows = (pa_csv.read_csv(out) if name.endswith("csv") else pa_parquet.read_table(out)).to_pylist()
        assert [row["id"] for row in rows] == IDS
        assert [row["id"] for row in rows if row["on"]] == admitted("25%")
        assert {(row["on"], row["variant"]) for row in rows} == {(True, "on"), (False, "off")}
        assert result.rows[0] == ["flag", "at", "people", "on", "refused", "output"]
        assert result.rows[1][1:5] == ["100% of employees, 25% of india", "1000", str(len(admitted("25%"))), "0"]


def test_only_those_who_have_it_can_be_written(cli: Cli, flags: str, users: str, tmp_path: Path) -> None:
    out = tmp_path / "cohort.csv"
    cli("cohort", "payments", "-f", flags, "--users", users, "--at", "25%", "-o", str(out), "--only-on")
    assert pa_csv.read_csv(out).column_names == ["id"]
    assert pa_csv.read_csv(out).column("id").to_pylist() == admitted("25%")


def test_a_cohort_can_only_be_counted_and_told_as_json(cli: Cli, flags: str, users: str) -> None:
    document = cli("cohort", "payments", "-f", flags, "--users", users, "--at", "25%", "--json").json
    assert document == {
        "schema_version": 1,
        "flag": "payments",
        "at": {"employees": "100%", "india": "25%"},
        "people": 1000,
        "on": len(admitted("25%")),
        "refused": 0,
        "output": None,
        "revision": 1,
    }


def test_cohorts_nest(cli: Cli, flags: str, users: str) -> None:
    counts = [
        cli("cohort", "payments", "-f", flags, "--users", users, "--at", share, "--json").json["on"]
        for share in ("0%", "1%", "30%", "100%")
    ]
    assert counts == [len(admitted(share)) for share in ("0%", "1%", "30%", "100%")]
    assert counts == sorted(counts)


def test_a_file_alone_does_not_say_where_a_rollout_stands(cli: Cli, flags: str, users: str) -> None:
    assert "say --at 5%" in cli("cohort", "payments", "-f", flags, "--users", users, code=2).err
    assert cli("cohort", "business-app", "-f", flags, "--users", users, "--json").json["on"] == 250
    assert "no rollout" in cli("cohort", "business-app", "-f", flags, "--users", users, "--at", "5%", code=2).err


def test_a_flag_that_is_off_for_everyone_says_so(cli: Cli, flags: str, users: str) -> None:
    result = cli("cohort", "merchant-payments", "-f", flags, "--users", users, "--at", "100%")
    assert result.rows[1][3] == "0"
    assert "switched off in the file" in result.err


def test_rollouts_that_are_required_stand_at_the_same_share(cli: Cli, users: str) -> None:
    text = FLAGS.replace("enabled: false\n    locked: true", "enabled: true")
    both = cli("cohort", "merchant-payments", "-f", cli.write(text), "--users", users, "--at", "50%", "--json").json
    threshold = Share.parse("50%").threshold
    twice = [
        user for user in admitted("50%") if user in EMPLOYEES.split() or bucket("merchant-payments", user) < threshold
    ]
    assert both["on"] == len(twice)


def test_what_is_missing_is_said(cli: Cli, flags: str, users: str, tmp_path: Path) -> None:
    pa_parquet.write_table(PEOPLE.drop_columns(["app_version"]), tmp_path / "few.parquet")
    pa_parquet.write_table(PEOPLE.rename_columns(["id", "country", "app_version"]), tmp_path / "other.parquet")
    ask = ("cohort", "payments", "-f", flags, "--at", "5%", "--users")
    few = cli(*ask, str(tmp_path / "few.parquet"), code=2).err
    assert "payments asks for app_version" in few
    assert "say --allow-missing" in few
    assert cli(*ask, str(tmp_path / "few.parquet"), "--allow-missing", "--json").json["on"] == 2
    other = cli(*ask, str(tmp_path / "other.parquet"), "--allow-missing", code=2).err
    assert "payments asks for user_id" in other
    assert "they have id, country, app_version" in other
    assert "did you mean payments?" in cli("cohort", "payment", "-f", flags, "--users", users, code=2).err
    assert "no file" in cli(*ask, str(tmp_path / "none.parquet"), code=2).err
    assert "population itself" in cli(*ask, users, "-o", users, code=2).err
    assert "--users" in cli("cohort", "payments", "-f", flags, "--at", "5%", code=2).err
    assert "does not speak of moon" in cli(*ask, users, "--audience", "moon", code=2).err
    assert "say -o" in cli(*ask, users, "--only-on", code=2).err
    now = ("cohort", "payments", "-f", flags, "--users", users, "--audience", "india")
    assert "an audience needs a share" in cli(*now, code=2).err


def test_whom_the_service_would_refuse_is_counted_and_said(cli: Cli, flags: str, tmp_path: Path) -> None:
    people = pa.table({"user_id": ["u-1", "u-2"], "country": ["IN", "I\tN"], "app_version": ["3", "3"]})
    pa_csv.write_csv(people, tmp_path / "users.csv")
    result = cli("cohort", "payments", "-f", flags, "--users", str(tmp_path / "users.csv"), "--at", "5%")
    assert result.rows[1][2:5] == ["2", "1", "1"]
    assert "1 of them have a value that the service refuses, the first in row 2" in result.err


def test_the_service_itself_is_not_asked(cli: Cli, users: str) -> None:
    said = cli("cohort", "payments", "--users", users, code=2).err
    assert "-f flags.yaml" in said
    assert "redis://" in said


def rows_by(document: dict[str, Any], name: str) -> dict[str | None, list[int]]:
    return {
        one["value"]: [one[key] for key in ("people", "before", "gain", "lose", "after")]
        for one in document["by"][name]
    }


def test_a_preview_counts_exactly_who_gains_and_who_loses_by_attribute(cli: Cli, flags: str, users: str) -> None:
    document = cli("preview", "payments", "-f", flags, "--users", users, "--to", "25%", "--json").json
    gained = admitted("25%")
    assert document["from"] == {}
    assert document["to"] == {"employees": "100%", "india": "25%"}
    assert document["everyone"] == {"people": 1000, "before": 0, "gain": len(gained), "lose": 0, "after": len(gained)}
    by_country = rows_by(document, "country")
    for country in ("IN", "GB", None):
        size = sum(COUNTRIES[IDS.index(user)] == country for user in gained)
        assert by_country[country] == [COUNTRIES.count(country), 0, size, 0, size]
    assert set(document["by"]) == {"country", "app_version"}


def test_a_preview_from_a_share_to_a_lower_one_tells_who_loses(cli: Cli, flags: str, users: str) -> None:
    ask = ("preview", "payments", "-f", flags, "--users", users, "--from", "50%", "--to", "25%")
    document = cli(*ask, "--by", "country", "--json").json
    kept = len(admitted("25%"))
    lost = len(admitted("50%")) - kept
    assert document["everyone"] == {"people": 1000, "before": kept + lost, "gain": 0, "lose": lost, "after": kept}
    header, everyone, *rows = cli(*ask, "--by", "country").rows
    assert header == ["by", "value", "people", "before", "gain", "lose", "after"]
    assert everyone == ["", "", "1000", str(kept + lost), "0", str(lost), str(kept)]
    assert {row[1] for row in rows} == {"IN", "GB", "(missing)"}


def test_a_preview_is_refused_where_setting_the_share_would_be(cli: Cli, users: str) -> None:
    text = FLAGS.replace("1%, { percentage: 50%, approval: true }, 100%]", "50%]")
    ask = ("preview", "payments", "-f", cli.write(text), "--users", users, "--to", "60%")
    assert "beyond the plan" in cli(*ask, code=7).err
    assert cli(*ask, "--beyond-plan", "--json").json["to"]["india"] == "60%"
    assert "locked" in cli("preview", "merchant-payments", *ask[2:], code=7).err


def test_counting_by_what_is_not_there_or_has_too_many_values_is_an_error(cli: Cli, flags: str, tmp_path: Path) -> None:
    people = pa.table({name: [f"u-{number}" for number in range(10_001)] for name in PEOPLE.column_names})
    pa_parquet.write_table(people, tmp_path / "many.parquet")
    ask = ("preview", "payments", "-f", flags, "--users", str(tmp_path / "many.parquet"), "--to", "5%", "--by")
    assert "no column bank" in cli(*ask, "bank", code=2).err
    assert "more than 10,000 values" in cli(*ask, "user_id", code=2).err


def test_straight_on_the_store_it_is_as_the_rollout_stands(
    embedded_store: EmbeddedStore, flags: str, users: str, tmp_path: Path
) -> None:
    at = ("--url", embedded_store.url, "--namespace", "populations")
    assert run("apply", flags, "--yes", "--no-wait", *at).code == 0
    assert run("set", "payments", "25%", "--yes", "--no-wait", *at).code == 0
    out = tmp_path / "cohort.parquet"
    now = run("cohort", "payments", "--users", users, "-o", str(out), "--json", *at)
    assert now.json["at"] == {"employees": "100%", "india": "25%"}
    assert now.json["on"] == len(admitted("25%"))
    preview = run("preview", "payments", "--to", "50%", "--users", users, "--json", *at).json
    assert preview["everyone"]["before"] == len(admitted("25%"))
    assert preview["everyone"]["gain"] == len(admitted("50%")) - len(admitted("25%"))
    assert run("kill", "payments", "--no-wait", *at).code == 0
    killed = run("cohort", "payments", "--users", users, "--at", "100%", *at)
    assert killed.rows[1][3] == "0"
    assert "killed" in killed.err


def test_a_terminal_shows_how_far_it_is_and_what_came_of_it(flags: str, users: str, tmp_path: Path) -> None:
    out = str(tmp_path / "cohort.parquet")
    code, shown = at_terminal("cohort", "payments", "-f", flags, "--users", users, "--at", "25%", "-o", out)
    assert code == 0
    assert "100%" in shown
    assert f"{len(admitted('25%'))} of 1,000 people have payments" in shown
    assert f"written to {out}" in shown
    code, shown = at_terminal("preview", "payments", "-f", flags, "--users", users, "--to", "25%")
    assert code == 0
    assert f"{len(admitted('25%'))} gain it" in shown.replace("\x1b[32m", "").replace("\x1b[0m", "")


def test_without_the_extra_it_says_what_to_install(
    cli: Cli, flags: str, users: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = cli("cohort", "payments", "-f", flags, "--users", users, "--json", code=1)
    assert "rollout[batch]" in json.loads(said.out)["error"]["hint"]
