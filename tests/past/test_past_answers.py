"""A past moment, asked again: the record gives the answer that was given then."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollout.core.context import read_context
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidInput, NotYet, RolloutError, StoreUnavailable
from rollout.core.explanation import explain
from rollout.core.flags import Flag, Rule
from rollout.core.members import digest_of, pack_members
from rollout.core.segments import MemberList, Segment
from rollout.core.shares import Share
from rollout.service import past_reports
from rollout.service.desk import StoreDesk
from rollout.service.follower import Follower
from rollout.service.past import Past
from rollout.service.past_reports import diff_report, explain_then, flag_status_then, status_then
from rollout.service.shipper import Shipper
from rollout.stores.record_copy import RecordCopy
from rollout.stores.segments import Segments
from tests.service.servicekit import FLAGS, IN_INDIA, PAYMENTS, SEGMENTS, STAFF, Place, file_of, flag, request

CHANGES = 10_000
QUESTIONS = 1_000
SUBJECTS = [{"user_id": f"u-{number}", "country": country} for number in range(12) for country in ("IN", "GB")]


@dataclass
class Recorder:
    """Asks at random moments, and notes what it was told."""

    place: Place
    chance: random.Random
    told: list[tuple[datetime, str, dict[str, str], tuple[Any, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follower = Follower(self.place.store)

    def ask(self) -> None:
        self.follower.follow(timedelta(0))
        snapshot = self.follower.current
        key = self.chance.choice(sorted(snapshot.state.records))
        subject = self.chance.choice(SUBJECTS)
        context, _ = read_context(subject, snapshot.state.definitions.attributes)
        found = explain(snapshot.state.records[key], context, snapshot.evaluator, snapshot.state)
        answer = found.answer
        said = (answer.on, answer.variant, answer.reason.value, found.because, snapshot.revision)
        at = datetime.fromtimestamp((self.place.now_ms + self.chance.randrange(10)) / 1000, UTC)
        self.told.append((at, key, subject, said))


def some_file(chance: random.Random) -> FlagFile:
    """Other members, other stages, rules that come and go, a flag that is there or not."""
    staff = pack_members(sorted(f"u-{number}" for number in chance.sample(range(12), 3)))
    listed = MemberList("employees.txt", digest_of(staff), 3)
    segments = {**SEGMENTS, "employees": Segment("employees", "staff", members=listed)}
    rules = (Rule(IN_INDIA, "on"),) if chance.random() < 0.5 else ()
    stages = ["employees", "1%", "5%", "60%", "100%"][: chance.randrange(2, 6)]
    flags = [flag("payments", *stages, rules=rules), flag("wallet", "50%", "100%"), flag("switch", rules=rules)]
    flags += [flag("plain", enabled=chance.random() < 0.5)] if chance.random() < 0.8 else []
    return file_of(*flags, segments=segments, members=staff)


def change(place: Place, chance: random.Random) -> None:
    operations, key = place.operations, chance.choice(("payments", "wallet", "switch", "plain"))
    deeds = (
        lambda: operations.set_share(key, Share.parse(f"{chance.randrange(101)}%"), request(), beyond_plan=True),
        lambda: operations.kill(key, request()),
        lambda: operations.revive(key, request()),
        lambda: operations.halt(key, request()),
        lambda: operations.resume(key, request()),
        lambda: operations.rollback(key, request()),
    )
    if chance.random() < 0.02:
        operations.load(some_file(chance), request())
        return
    try:
        chance.choice(deeds)()
    except RolloutError:
        operations.note("refused", request(), {"action": "set", "count": 1})


def test_ten_thousand_changes_later_a_thousand_questions_have_the_answers_that_were_given() -> None:
    chance = random.Random(7)
    place = Place()
    recorder = Recorder(place, chance)
    asked_after = set(chance.sample(range(1, CHANGES), QUESTIONS))
    while (revision := place.store.revision()) < CHANGES:
        place.now_ms += 10
        change(place, chance)
        if place.store.revision() != revision and place.store.revision() in asked_after:
            recorder.ask()
    place.now_ms += 1000
    past = Past(place.store)
    chance.shuffle(recorder.told)
    for at, key, subject, said in recorder.told:
        answer = explain_then(past, at.isoformat(), key, subject)
        found = (answer["on"], answer["variant"], answer["reason"], answer["because"], answer["in_force"]["revision"])
        assert found == said, (at, key, subject)
    assert len(recorder.told) == QUESTIONS


MINUTE_MS = 60_000


@pytest.fixture
def place() -> Place:
    """On the hour the file; then a minute each: 5% by Amit, a kill, a revival, another file."""
    place = Place()
    for step in (
        lambda: place.operations.set_share("payments", Share.parse("5%"), request("first bank")),
        lambda: place.operations.kill("payments", request("it crashes")),
        lambda: place.operations.revive("payments", request("mended")),
        lambda: place.load(PAYMENTS, *FLAGS[1:3], flag("plain", enabled=False), flag("fresh")),
    ):
        place.now_ms += MINUTE_MS
        step()
    place.now_ms += MINUTE_MS
    return place


class Shortened:
    """A store that no longer has its oldest changes, nor any file."""

    def __init__(self, place: Place, first: int) -> None:
        self._store, self._first = place.store, first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def audit(self, *, after: int = 0, **more: Any) -> list[bytes]:
        return self._store.audit(after=max(after, self._first - 1), **more)

    def blob(self, _digest: str) -> None:
        return None


IN_INDIA_U7 = {"user_id": "u-7", "country": "IN"}


def test_an_answer_about_the_past_says_what_was_in_force_and_whose_attributes_these_are(place: Place) -> None:
    answer = explain_then(Past(place.store), "2026-11-23 14:32:30 IST", "payments", IN_INDIA_U7)
    assert (answer["on"], answer["because"]) == (False, "killed by amit on 2026-11-23 09:02 UTC: it crashes")
    force = answer["in_force"]
    assert (force["revision"], force["since"]) == (3, "2026-11-23T09:02:00.000Z")
    assert (force["file"]["revision"], force["file"]["since"]) == (1, "2026-11-23T09:00:00.000Z")
    assert "not recorded" in answer["attributes"]


def test_a_change_counts_from_its_very_millisecond(place: Place) -> None:
    past = Past(place.store)
    before = explain_then(past, "2026-11-23T09:01:59.999Z", "payments", IN_INDIA_U7)
    since = explain_then(past, "2026-11-23T09:02:00.000Z", "payments", IN_INDIA_U7)
    assert (before["on"], since["on"]) == (True, False)


def test_where_every_flag_stood_is_told_without_what_nobody_recorded(place: Place) -> None:
    past = Past(place.store)
    then = status_then(past, "2m30s ago")
    assert {line["flag"]: line["state"] for line in then["flags"]}["payments"] == "killed"
    assert (then["servers"], then["flags"][0]["health"], then["flags"][0]["coming"]) == ([], None, None)
    assert flag_status_then(past, "3m30s ago", "payments")["live"][-1] == {"audience": "india", "share": "5%"}


@pytest.mark.parametrize(
    ("moment", "says"),
    [
        ("2026-11-23T08:59:59Z", "before the record began"),
        ("2026-11-23T23:00:00Z", "still to come"),
        ("yesterday", "is not a moment"),
    ],
)
def test_a_moment_of_which_there_is_no_record_is_refused(place: Place, moment: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        status_then(Past(place.store), moment)


def test_before_anything_was_written_there_was_nothing() -> None:
    with pytest.raises(InvalidInput, match="before the record began"):
        status_then(Past(Place(flags=()).store), "2h ago")


def test_what_the_store_no_longer_has_is_read_from_the_copy_on_disk(place: Place, tmp_path: Path) -> None:
    Shipper(place.store, lambda: Segments(tmp_path)).ship()
    told = [explain_then(Past(place.store), f"{ago}m ago", "payments", IN_INDIA_U7) for ago in range(6)]
    for first in range(1, 7):
        past = Past(Shortened(place, first), RecordCopy(tmp_path))
        assert [explain_then(past, f"{ago}m ago", "payments", IN_INDIA_U7) for ago in range(6)] == told


def test_without_a_copy_that_goes_back_so_far_it_is_said(place: Place, tmp_path: Path) -> None:
    past = Past(Shortened(place, 3), RecordCopy(tmp_path / "none"))
    with pytest.raises(StoreUnavailable, match="copy of the record has revision 1"):
        status_then(past, "1m ago")
    with pytest.raises(InvalidInput) as refused:
        status_then(past, "4m ago")
    assert refused.value.hint == "it begins at 2026-11-23T09:02:00.000Z, with revision 3"


def test_a_question_that_takes_too_long_is_given_up_and_goes_on_when_it_is_asked_again() -> None:
    place = Place()
    for _ in range(100):
        place.now_ms += 1
        place.operations.kill("plain", request())
        place.operations.revive("plain", request())
    seconds = iter(range(10**6))
    past = Past(place.store, patience=timedelta(seconds=2), clock=lambda: next(seconds))
    given_up = 0
    while True:
        try:
            found = status_then(past, "now")
            break
        except NotYet as error:
            assert "ask again" in (error.hint or "")
            given_up += 1
    assert found["in_force"]["revision"] == 201
    assert 1 < given_up < 201


def test_between_two_moments_it_is_told_who_gained_and_lost_and_who_did_it(place: Place) -> None:
    report = diff_report(Past(place.store), "2026-11-23 09:00 UTC", "2026-11-23 09:02 UTC")
    assert [flag["flag"] for flag in report["flags"]] == ["payments"]
    payments = report["flags"][0]
    assert payments["state"] == {"before": "rolling", "after": "killed"}
    assert [(entry["action"], entry["by"], entry["reason"]) for entry in payments["entries"]] == [
        ("set", "amit", "first bank"),
        ("kill", "amit", "it crashes"),
    ]
    assert report["changes"] == 2


def test_of_very_many_changes_the_last_are_read_and_the_difference_is_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_reports, "MOST_READ", 1)
    report = diff_report(Past(place.store), "2026-11-23 09:00 UTC", "2026-11-23 09:02 UTC")
    assert (report["changes"], report["changes_read"]) == (2, 1)
    (payments,) = report["flags"]
    assert payments["state"] == {"before": "rolling", "after": "killed"}
    assert [entry["action"] for entry in payments["entries"]] == ["kill"]


def test_a_gain_is_a_move_of_an_audience(place: Place) -> None:
    report = diff_report(Past(place.store), "2026-11-23 09:00 UTC", "2026-11-23 09:01 UTC")
    assert {"audience": "india", "before": "0%", "after": "5%"} in report["flags"][0]["moves"]


def test_a_file_that_says_otherwise_is_told_flag_by_flag(place: Place) -> None:
    report = diff_report(Past(place.store), "1m30s ago", "now")
    told = {flag["flag"]: flag for flag in report["flags"]}
    assert told["fresh"]["change"] == "added"
    assert told["plain"]["edits"] == [{"what": "enabled in the file", "before": "yes", "after": "no"}]
    assert told["plain"]["moves"] == [{"audience": "everyone", "before": "100%", "after": "0%"}]
    assert [entry["action"] for entry in report["files"]] == ["load"]


def test_a_segment_that_says_otherwise_names_the_flags_that_speak_of_it(place: Place) -> None:
    staff = pack_members(["u-9"])
    listed = MemberList("employees.txt", digest_of(staff), 1)
    segments = {**SEGMENTS, "employees": Segment("employees", "staff", members=listed)}
    flags: tuple[Flag, ...] = (PAYMENTS, *FLAGS[1:])
    place.operations.load(file_of(*flags, segments=segments, members=staff), request())
    report = diff_report(Past(place.store), "30s ago", "now")
    assert [(segment["what"], segment["flags"]) for segment in report["segments"]] == [("employees", ["payments"])]
    assert report["segments"][0]["after"].startswith("1 listed in employees.txt")
    assert len(STAFF) != len(staff)


def test_the_earlier_moment_comes_first(place: Place) -> None:
    with pytest.raises(InvalidInput, match="is after"):
        diff_report(Past(place.store), "1m ago", "2m ago")


def test_between_a_moment_and_itself_nothing_changed(place: Place) -> None:
    report = diff_report(Past(place.store), "now", "now")
    assert (report["flags"], report["segments"], report["changes"]) == ([], [], 0)


def test_the_desk_straight_on_a_store_answers_about_the_past_as_well(place: Place) -> None:
    desk = StoreDesk.straight(place.store, lambda *_: file_of())
    assert desk.explain("payments", IN_INDIA_U7, at="2m30s ago")["in_force"]["revision"] == 3
    assert desk.status(at="2m30s ago")["revision"] == 3
    assert desk.flag_status("payments", at="2m30s ago")["state"] == "killed"
    assert desk.diff("2m30s ago", "now")["changes"] == 2
