"""What changed nothing is written down too, and nobody fills the store by trying."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.core.audit import Actor, read_line
from rollout.core.chain import follow, place_of
from rollout.core.errors import InvalidInput, NotAllowed, RefusedByRule, StoreUnavailable, UnknownFlag
from rollout.core.shares import Share
from rollout.service.follower import Follower
from rollout.service.noticing import MOST_KINDS, WINDOW, Notices
from rollout.service.operations import Operations
from rollout.service.replay import replay
from rollout.service.reports import notes_report
from tests.service.servicekit import AMIT, Place, Wrapped, request

REFUSAL = RefusedByRule("beyond the plan")


class Desk:
    """Operations whose refusals are noted, on a clock that the test holds."""

    def __init__(self, place: Place, store: Any = None) -> None:
        self.seconds = 0.0
        self.place = place
        store = store or place.store
        self.notices = Notices(Operations(store), lambda: self.seconds)
        self.operations = Operations(store, self.notices.refused)

    def noted(self) -> list[dict[str, Any]]:
        return [read_line(line) for line in self.place.store.notes(limit=10**6)]

    def told(self) -> list[tuple[str, str, int]]:
        return [(entry["action"], entry["actor"]["id"], entry["after"]["count"]) for entry in self.noted()]


@pytest.fixture
def desk() -> Desk:
    return Desk(Place())


def all_lines(place: Place) -> list[bytes]:
    lines = [*place.lines(), *place.store.notes(limit=10**6)]
    return sorted(lines, key=lambda line: place_of(read_line(line)))


def test_a_refused_attempt_says_who_tried_what_and_why_not(desk: Desk) -> None:
    with pytest.raises(RefusedByRule):
        desk.operations.revive("payments", request("let us", ticket="PAY-7"))
    (entry,) = desk.noted()
    assert (entry["revision"], entry["note"], entry["flag"], entry["actor"]["id"]) == (1, 1, "payments", "amit")
    assert entry["after"] == {"action": "revive", "code": "refused", "message": entry["after"]["message"], "count": 1}
    assert "payments" in entry["after"]["message"]


def test_notes_take_no_revision_and_stand_in_the_chain(desk: Desk) -> None:
    place = desk.place
    for _ in range(2):
        desk.operations.note("export", request(), {"quarter": "2018Q1"})
    desk.operations.kill("payments", request())
    desk.operations.note("export", request(), {"quarter": "2018Q2"})
    lines = all_lines(place)
    assert [place_of(read_line(line)) for line in lines] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert follow(lines).hash == place.store.read().head_hash
    assert replay(lines, place.store.blob) == place.state()


def test_a_note_before_the_first_change_is_the_first_entry() -> None:
    place = Place(flags=())
    Operations(place.store).note("load failed", request(), {})
    assert follow(all_lines(place)).place == (0, 1)


def test_followers_hear_nothing_of_notes_and_no_view_is_outdated(desk: Desk) -> None:
    follower = Follower(desk.place.store)
    follower.read()
    before = follower.current
    desk.operations.note("export", request(), {})
    follower.read()
    assert follower.current is before
    assert desk.operations.kill("payments", request(seen_revision=1))["changed"]


@pytest.mark.parametrize("error", [UnknownFlag("no flag"), StoreUnavailable("away"), InvalidInput("no")])
def test_what_is_no_attempt_against_a_rule_is_not_noted(desk: Desk, error: Any) -> None:
    desk.notices.refused("kill", "payments", request(), error)
    desk.notices.refused("kill", "payments", request(dry_run=True), NotAllowed("no"))
    assert desk.noted() == []


def test_more_of_the_same_is_one_entry_with_their_number(desk: Desk) -> None:
    for _ in range(1000):
        desk.notices.refused("set", "payments", request(), REFUSAL)
    desk.notices.flush()
    assert desk.told() == [("refused", "amit", 1)]
    desk.seconds += WINDOW
    desk.notices.flush()
    assert desk.told() == [("refused", "amit", 1), ("refused", "amit", 999)]
    desk.notices.refused("set", "payments", request(), REFUSAL)
    desk.notices.flush()
    assert desk.told()[2:] == [("refused", "amit", 1)]


def test_whoever_tries_under_many_names_is_counted_and_fills_nothing(desk: Desk) -> None:
    for number in range(5000):
        desk.notices.refused("set", "payments", request(actor=Actor(f"n{number}")), REFUSAL)
    assert len(desk.noted()) == MOST_KINDS
    desk.seconds += WINDOW
    desk.notices.flush()
    assert desk.told()[MOST_KINDS:] == [("refused", "several", 5000 - MOST_KINDS)]


def test_what_the_store_could_not_take_is_written_when_it_is_back() -> None:
    away = [True]

    def hindrance(name: str, call: Any) -> Any:
        if away and name in ("read", "note"):
            raise StoreUnavailable("away")
        return call()

    place = Place()
    desk = Desk(place, Wrapped(place.store, hindrance))
    for _ in range(3):
        desk.notices.read(AMIT, {"what": "all changes"})
    desk.notices.flush()
    assert desk.noted() == []
    away.clear()
    desk.notices.flush()
    desk.notices.flush()
    assert desk.told() == [("read audit", "amit", 3)]


def test_who_cannot_be_written_down_keeps_nobody_else_from_it(desk: Desk) -> None:
    desk.notices.read(Actor("\ud800"), {"what": "notes"})
    desk.notices.flush()
    desk.notices.read(AMIT, {"what": "notes"})
    assert desk.told() == [("read audit", "amit", 1)]


def test_notes_are_read_page_by_page(desk: Desk) -> None:
    for number in range(5):
        desk.operations.note("export", request(), {"number": number})
    desk.operations.set_share("payments", Share.parse("1%"), request())
    desk.operations.note("export", request(), {"number": 5})
    found, before = [], None
    while True:
        page = notes_report(desk.place.store, limit=2, before=before)
        found += [entry["after"]["number"] for entry in page["entries"]]
        before = page["next_before"]
        if before is None:
            break
    assert found == [5, 4, 3, 2, 1, 0]
    with pytest.raises(InvalidInput, match="'x' is no place"):
        notes_report(desk.place.store, limit=2, before="x")
