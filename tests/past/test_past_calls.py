"""The past over HTTP and from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.cli.http_desk import HttpDesk
from rollout.core.errors import InvalidInput, NotYet
from rollout.service.desk import StoreDesk
from rollout.stores.memory import MemoryFlagStore
from tests.cli.clikit import EMPLOYEES, FLAGS, Cli, answers, read, scripted, service
from tests.service.servicekit import START_MS

INDIAN = ("--user", "u-7", "-c", "country=IN", "-c", "app_version=2.18.9")


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def cli(tmp_path: Path, clock: Hands) -> Cli:
    """A minute each: the file, everybody in India, a kill; and it is a minute later."""
    (tmp_path / "employees.txt").write_text(EMPLOYEES)
    cli = Cli(tmp_path, MemoryFlagStore(clock))
    cli.apply()
    for words in (("set", "payments", "100%", "--yes", "-m", "all of them"), ("kill", "payments", "-m", "it crashes")):
        clock.now_ms += 60_000
        cli(*words)
    clock.now_ms += 60_000
    return cli


def test_explain_of_a_past_moment_says_when_that_was_and_by_what(cli: Cli) -> None:
    told = cli("explain", "payments", *INDIAN, "--at", "90s ago").out
    assert told.startswith("payments is ON for u-7")
    assert "as of 2026-11-23 09:01:30 UTC: revision 2, in force since 2026-11-23 09:01:00 UTC" in told
    assert "what the app sent then is not recorded" in told
    assert cli("explain", "payments", *INDIAN).out.startswith("payments is OFF for u-7")


def test_status_of_a_past_moment_is_where_everything_stood(cli: Cli) -> None:
    told = cli("status", "--at", "90s ago")
    assert ["payments", "halted"] in [row[:2] for row in told.rows]
    assert "as of 2026-11-23 09:01:30 UTC: revision 2" in told.err
    assert cli("status", "payments", "--at", "90s ago", "--json").json["state"] == "halted"
    assert "leave out --watch" in cli("status", "--watch", "--at", "now", code=2).err


def test_diff_says_who_gained_who_lost_and_who_did_it(cli: Cli) -> None:
    told = cli("diff", "--from", "150s ago", "--to", "90s ago").out
    assert "india: 0% → 100%" in told
    assert "set by " in told
    assert ": all of them" in told
    assert "payments: halted → killed" in cli("diff", "--from", "90s ago").out
    assert "nothing changed for anybody" in cli("diff", "--from", "now").out


def test_over_http_the_past_is_the_same(cli: Cli) -> None:
    at = "2026-11-23 14:31:30 IST"
    straight = StoreDesk.straight(cli.store, read)
    context = {"user_id": "u-7", "country": "IN", "app_version": "2.18.9"}
    with service(cli.store) as url:
        desk = HttpDesk(url, 20)
        assert desk.explain("payments", context, at=at) == straight.explain("payments", context, at=at)
        assert desk.status(at=at) == straight.status(at=at)
        assert desk.flag_status("payments", at=at) == straight.flag_status("payments", at=at)
        assert desk.diff(at, "now") == straight.diff(at, "now")
        with pytest.raises(InvalidInput, match="still to come"):
            desk.explain("payments", context, at="2030-01-01 00:00 UTC")


def test_an_attribute_that_is_called_at_is_no_moment(tmp_path: Path) -> None:
    (tmp_path / "employees.txt").write_text(EMPLOYEES)
    cli = Cli(tmp_path)
    cli.apply(FLAGS.replace("attributes:\n", "attributes:\n  at: { type: string }\n"))
    with service(cli.store) as url:
        desk = HttpDesk(url, 20)
        assert desk.explain("payments", {"at": "home"})["ignored"] == []
        assert desk.explain("payments", {"at": "home"}, at="now")["ignored"] == []


def test_a_server_that_gives_up_says_that_asking_again_goes_on() -> None:
    error = {"error": {"code": "not_yet", "message": "too many changes", "hint": "ask again"}}
    with scripted(answers(error, 503)) as (url, _), pytest.raises(NotYet, match="too many changes"):
        HttpDesk(url, 0.5).explain("payments", {}, at="now")
    with scripted(answers(error, 503), answers(error, 503), answers({"on": True})) as (url, asked):
        assert HttpDesk(url, 20).explain("payments", {}, at="now") == {"on": True}
    assert len(asked) == 3


def test_a_sentence_for_the_person_is_all_that_is_printed(cli: Cli) -> None:
    assert cli("explain", "payments", *INDIAN, "--words").out == (
        "This feature is switched off for everyone at the moment.\n"
    )
    assert cli("explain", "payments", *INDIAN, "--words", "--language", "hi", "--at", "90s ago").out == (
        "उस समय यह सुविधा आपके लिए चालू थी।\n"
    )


def test_over_http_the_sentence_is_the_same(cli: Cli) -> None:
    with service(cli.store) as url:
        words = HttpDesk(url, 20).explain("payments", {"words": "many"}, words="nl")
    assert words["words"]["sentence"] == "Deze functie staat op dit moment voor iedereen uit."
    assert words["ignored"] == ["words"]
