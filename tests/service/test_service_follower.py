"""Snapshots and the follower: what is served follows the store, and nothing that goes wrong takes it away."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from rollout.core.errors import StoreUnavailable
from rollout.core.members import SMALL, PackedMembers, digest_of, pack_members
from rollout.core.segments import MemberList, Segment
from rollout.core.shares import Share
from rollout.service.follower import Follower
from rollout.service.ports import Change, Stored
from rollout.service.snapshot import Snapshot, empty_snapshot, next_snapshot, take_snapshot
from tests.core.promises import promise
from tests.core.strategies import seeds
from tests.service.servicekit import FLAGS, PAYMENTS, SEGMENTS, Place, Wrapped, file_of, flag, request
from tests.service.test_service_many_writers import one_change

NO_WAIT = timedelta(0)


def same_answers(one: Snapshot, other: Snapshot) -> bool:
    people = [{"user_id": f"u-{number}", "country": country} for number in range(8) for country in ("IN", "GB")]
    return one.state == other.state and all(
        one.evaluator.flags[key](who).because == other.evaluator.flags[key](who).because
        for key in one.state.records
        for who in people
    )


def taken(place: Place, previous: Snapshot | None = None) -> Snapshot:
    return take_snapshot(place.store.read(), place.store.blob, previous or empty_snapshot())


def test_a_snapshot_has_the_state_as_stored() -> None:
    place = Place()
    snapshot = taken(place)
    assert snapshot.state == place.state()
    assert snapshot.revision == place.store.revision()
    assert snapshot.documents == place.store.read().flags
    assert snapshot.evaluator.flags["plain"]({}).on
    assert not snapshot.evaluator.flags["payments"]({"user_id": "u-7"}).on
    place.operations.set_share("payments", Share.parse("1%"), request())
    assert taken(place).evaluator.flags["payments"]({"user_id": "u-7"}).on


def test_a_snapshot_of_nothing_has_no_flags() -> None:
    place = Place(flags=())
    assert taken(place).state == place.state()
    assert taken(place).evaluator.flags == {}


def test_a_snapshot_compiles_and_reads_only_what_differs() -> None:
    place = Place()
    first = taken(place)
    place.operations.kill("wallet", request())
    second = taken(place, first)
    assert second.state.records["payments"] is first.state.records["payments"]
    assert second.evaluator.flags["payments"] is first.evaluator.flags["payments"]
    assert second.evaluator.flags["wallet"] is not first.evaluator.flags["wallet"]
    assert second.state.definitions is first.state.definitions
    place.load(*FLAGS, flag("new"))
    third = taken(place, second)
    assert third.evaluator.flags["payments"] is first.evaluator.flags["payments"]
    assert third.state.definitions.segments is first.state.definitions.segments


@promise(60)
@given(seeds)
def test_the_next_snapshot_equals_one_that_was_taken_anew(seed: int) -> None:
    place = Place()
    followed = incremental = taken(place)
    for step in range(8):
        try:
            one_change(place.operations, seed * 31 + step, request())
        except Exception:  # refused: nothing changed
            continue
        for change in place.store.changes(followed.revision, NO_WAIT):
            followed = taken(place, followed) if change.whole else next_snapshot(change, followed)
        incremental = taken(place, incremental)
        fresh = taken(place)
        for snapshot in (followed, incremental):
            assert same_answers(snapshot, fresh)
            assert snapshot.documents == fresh.documents


def test_a_flag_that_is_archived_leaves_the_next_snapshot() -> None:
    place = Place()
    first = taken(place)
    removed = next_snapshot(Change(first.revision + 1, {"wallet": None, "never": None}), first)
    assert set(removed.evaluator.flags) == set(removed.documents) == {"payments", "switch", "plain"}


def test_member_lists_are_fetched_once() -> None:
    fetched: Counter[str] = Counter()
    place = Place()

    def blob(digest: str) -> bytes | None:
        fetched[digest] += 1
        return place.store.blob(digest)

    snapshot = take_snapshot(place.store.read(), blob, empty_snapshot())
    for number in range(3):
        place.load(*FLAGS, flag("new", owner=str(number)))
        snapshot = take_snapshot(place.store.read(), blob, snapshot)
    assert fetched == {digest_of(pack_members(["u-7", "u-8"])): 1}
    more = pack_members(["u-7", "u-9"])
    segments = {**SEGMENTS, "employees": Segment("employees", "", members=MemberList("e.txt", digest_of(more), 2))}
    place.operations.load(file_of(*FLAGS, flag("new"), segments=segments, members=more), request())
    place.operations.set_share("payments", Share.parse("1%"), request())
    snapshot = take_snapshot(place.store.read(), blob, snapshot)
    assert fetched[digest_of(more)] == 1
    ask = snapshot.evaluator.flags["payments"]
    assert [ask({"user_id": who}).on for who in ("u-7", "u-8", "u-9")] == [True, False, True]
    assert list(snapshot.members) == [digest_of(more)]


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 5000])
def test_member_lists_of_any_size_serve_their_members(size: int) -> None:
    packed = pack_members(f"m-{number}" for number in range(size))
    segments = {"listed": Segment("listed", "", members=MemberList("m.txt", digest_of(packed), size))}
    place = Place(flags=())
    place.operations.load(file_of(flag("f", audience="listed"), segments=segments, members=packed), request())
    snapshot = taken(place)
    ask = snapshot.evaluator.flags["f"]
    assert [ask({"user_id": f"m-{number}"}).on for number in (0, size - 1, size)] == [size > 0, size > 0, False]
    assert not any(ask(context).on for context in ({}, {"user_id": ""}, {"user_id": "m-"}))
    assert isinstance(snapshot.members[digest_of(packed)], PackedMembers) == (size > SMALL)


def test_a_member_list_that_is_not_there_is_trouble_and_not_an_empty_list() -> None:
    place = Place()
    with pytest.raises(StoreUnavailable, match="the store has no member list"):
        take_snapshot(place.store.read(), lambda _: None, empty_snapshot())


class Hindered:
    """A follower of a store that goes wrong when told, and what it was told of changes."""

    def __init__(self, flags: tuple[Any, ...] = FLAGS) -> None:
        self.place = Place(flags=flags)
        self.trouble: dict[str, Callable[[Callable[[], Any]], Any]] = {}
        self.calls: Counter[str] = Counter()
        self.seen: list[int] = []
        self.store = Wrapped(self.place.store, self._call)
        self.follower = Follower(self.store, lambda snapshot: self.seen.append(snapshot.revision))

    def _call(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls[name] += 1
        return self.trouble[name](call) if name in self.trouble else call()

    def follow(self) -> bool:
        return self.follower.follow(NO_WAIT)

    def change(self) -> int:
        """One more revision that a check can see."""
        key = "plain"
        done = self.place.operations.revive if self.place.record(key).progress.killed else self.place.operations.kill
        return int(done(key, request())["revision"])

    @property
    def revision(self) -> int:
        return self.follower.current.revision


def fails(call: Callable[[], Any]) -> Any:
    raise StoreUnavailable("no answer in 0.5 s")


def breaks(call: Callable[[], Any]) -> Any:
    raise ConnectionResetError("reset")


def gives(answer: object) -> Callable[[Callable[[], Any]], Any]:
    return lambda call: answer


def test_a_follower_begins_with_nothing_and_says_so() -> None:
    hindered = Hindered()
    assert (hindered.revision, hindered.follower.stale) == (0, True)
    assert hindered.follower.trouble == "the store has not answered yet"
    assert hindered.follow()
    assert (hindered.revision, hindered.follower.stale, hindered.follower.trouble) == (1, False, None)


def test_a_follower_has_each_change_without_reading_everything_again() -> None:
    hindered = Hindered()
    hindered.follow()
    for _ in range(5):
        revision = hindered.change()
        assert hindered.follow()
        assert hindered.revision == revision
        assert same_answers(hindered.follower.current, taken(hindered.place))
    assert hindered.calls["read"] == 1
    assert hindered.seen == [1, 2, 3, 4, 5, 6]


def test_a_follower_reads_a_file_that_came_in_force_whole() -> None:
    hindered = Hindered()
    hindered.follow()
    hindered.place.load(*FLAGS, flag("new"))
    hindered.change()
    assert hindered.follow()
    assert hindered.follower.current.state == hindered.place.state()
    assert hindered.calls["read"] == 2


def test_what_was_replaced_whole_is_let_go_in_the_next_quiet_moment() -> None:
    hindered = Hindered()
    hindered.follow()
    replaced = sys.getrefcount(hindered.follower.current.state.records["payments"])
    record = hindered.follower.current.state.records["payments"]
    hindered.place.load(*(flag(one.key, owner="another") for one in FLAGS))
    assert hindered.follow()
    assert hindered.follower.current.state == hindered.place.state()
    assert hindered.follow()  # nothing new: quiet
    assert hindered.follower.current.state.records["payments"] is not record
    assert sys.getrefcount(record) < replaced + 1  # nobody holds it but this test


def test_a_follower_that_missed_changes_reads_everything() -> None:
    hindered = Hindered()
    hindered.follow()
    for lost in (gives(None), lambda call: call()[1:], lambda call: call()[-1:], lambda call: [call()[0], call()[-1]]):
        for _ in range(3):
            hindered.change()
        hindered.trouble["changes"] = lost
        assert hindered.follow()
        assert hindered.follower.current.state == hindered.place.state()
        assert same_answers(hindered.follower.current, taken(hindered.place))


def test_a_follower_that_was_told_nothing_finds_out_by_the_revision() -> None:
    hindered = Hindered()
    hindered.follow()
    hindered.trouble["changes"] = gives([])
    revision = hindered.change()
    hindered.follow()
    assert hindered.revision < revision
    hindered.follower._compare_at = 0  # two seconds later
    assert hindered.follow()
    assert hindered.revision == revision


def test_a_follower_ignores_what_it_has_already() -> None:
    hindered = Hindered()
    hindered.follow()
    old = hindered.place.store.changes(0, NO_WAIT)
    hindered.change()
    hindered.trouble["changes"] = lambda call: [*old, *call(), *old]
    assert hindered.follow()
    assert hindered.seen == [1, 2]


def test_a_follower_never_steps_back() -> None:
    hindered = Hindered()
    hindered.change()
    hindered.change()
    hindered.follow()
    before = hindered.follower.current
    older = Place()
    for name in ("revision", "read", "changes"):
        hindered.trouble[name] = lambda call, name=name: (
            older.store.changes(0, NO_WAIT) if name == "changes" else getattr(older.store, name)()
        )
    hindered.follower._compare_at = 0
    assert not hindered.follow()
    assert hindered.follower.trouble
    assert "it is at revision 1, this server at 3" in hindered.follower.trouble
    assert hindered.follower.current is before
    assert not hindered.follow()
    with pytest.raises(StoreUnavailable, match="the store is behind"):
        hindered.follower.read()
    hindered.trouble.clear()
    revision = hindered.change()
    assert hindered.follow()
    assert hindered.revision == revision


def test_an_older_reading_is_not_taken_for_news() -> None:
    """A replica that lags answers `read`."""
    hindered = Hindered()
    hindered.change()
    hindered.follow()
    before, lagging = hindered.follower.current, Place().store.read()
    hindered.trouble = {"changes": gives(None), "read": gives(lagging)}
    hindered.follow()
    assert hindered.follower.current is before


GARBAGE: dict[str, Callable[[Stored], Stored]] = {
    "a document that is no JSON": lambda stored: replace(stored, flags={**stored.flags, "payments": b"{"}),
    "a document of another make": lambda stored: replace(stored, flags={**stored.flags, "payments": b"[]"}),
    "a document without a key": lambda stored: replace(stored, flags={**stored.flags, "payments": b"{}"}),
    "an empty document": lambda stored: replace(stored, flags={"payments": b""}),
    "a share of 200%": lambda stored: replace(
        stored, flags={"wallet": stored.flags["wallet"].replace(b'"1%"', b'"200%"')}
    ),
    "shared that is no JSON": lambda stored: replace(stored, shared=b"\xff"),
    "shared of another make": lambda stored: replace(stored, shared=b'{"attributes": 5}'),
    "nothing at all": lambda stored: None,  # type: ignore[dict-item, return-value]
}


@pytest.mark.parametrize("spoil", GARBAGE.values(), ids=GARBAGE)
def test_what_cannot_be_read_leaves_the_last_good_snapshot(spoil: Callable[[Stored], Stored]) -> None:
    hindered = Hindered()
    hindered.follow()
    before = hindered.follower.current
    hindered.place.load(*FLAGS, flag("new"))
    hindered.trouble["read"] = lambda call: spoil(call())
    for _ in range(3):
        assert not hindered.follow()
        assert hindered.follower.current is before
        assert hindered.follower.stale
        assert (hindered.follower.trouble or "").startswith("what the store holds cannot be read: ")
    hindered.trouble.clear()
    assert hindered.follow()
    assert hindered.follower.current.state == hindered.place.state()
    assert (hindered.follower.stale, hindered.follower.trouble) == (False, None)


def test_a_change_that_cannot_be_read_is_trouble_until_everything_can_be_read() -> None:
    hindered = Hindered()
    hindered.follow()
    before = hindered.follower.current
    revision = hindered.change()
    hindered.trouble = {"changes": gives([Change(revision, {"plain": b"no"})]), "read": fails}
    assert not hindered.follow()
    assert not hindered.follow()
    assert hindered.follower.current is before
    del hindered.trouble["read"]
    assert hindered.follow()
    assert hindered.revision == revision


@pytest.mark.parametrize("trouble", [fails, breaks], ids=["unavailable", "broken"])
@pytest.mark.parametrize("call", ["revision", "read", "changes", "blob"])
def test_whatever_fails_the_last_good_snapshot_stays_and_is_marked(call: str, trouble: Any) -> None:
    hindered = Hindered()
    hindered.follow()
    before = hindered.follower.current
    more = pack_members(["u-9"])
    segments = {**SEGMENTS, "employees": Segment("employees", "", members=MemberList("e.txt", digest_of(more), 1))}
    hindered.place.operations.load(file_of(*FLAGS, segments=segments, members=more), request())
    hindered.trouble[call] = trouble
    hindered.follower._compare_at = 0
    assert not hindered.follow()
    if call in ("revision", "read", "blob"):
        assert hindered.follower.current is before
    assert hindered.follower.stale
    assert hindered.follower.trouble
    hindered.trouble.clear()
    assert hindered.follow()
    assert hindered.follower.current.state == hindered.place.state()
    assert not hindered.follower.stale


def test_a_server_that_starts_without_a_store_serves_what_was_kept_and_says_that_it_is_stale() -> None:
    place = Place()
    place.operations.set_share("payments", Share.parse("1%"), request())
    kept = place.store.read()
    hindered = Hindered()
    hindered.trouble = dict.fromkeys(("revision", "read", "changes"), fails)
    hindered.follower.start_from(kept, place.store.blob)
    assert not hindered.follow()
    assert (hindered.revision, hindered.follower.stale) == (2, True)
    assert hindered.follower.current.evaluator.flags["payments"]({"user_id": "u-7"}).on
    with pytest.raises(StoreUnavailable):
        Follower(hindered.store).start_from(kept, lambda _: None)


def test_a_listener_that_fails_is_trouble_and_the_new_snapshot_is_served() -> None:
    """Such as one that cannot write to a full disk."""
    place = Place()

    def listener(snapshot: Snapshot) -> None:
        raise OSError("no space left on device")

    follower = Follower(place.store, listener)
    assert not follower.follow(NO_WAIT)
    assert follower.current.revision == 1
    assert "no space left" in (follower.trouble or "")


def test_a_follower_that_runs_goes_on_through_trouble_until_it_is_told_to_stop() -> None:
    hindered = Hindered(flags=(PAYMENTS, flag("plain")))
    reached, stop = threading.Event(), threading.Event()
    hindered.trouble["revision"] = fails
    follower = Follower(hindered.store, lambda snapshot: reached.set())
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    assert not reached.wait(0.2)
    hindered.trouble.clear()
    assert reached.wait(10)
    reached.clear()
    hindered.change()
    assert reached.wait(10)
    stop.set()
    hindered.change()
    thread.join(10)
    assert not thread.is_alive()
