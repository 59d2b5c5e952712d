"""The promises of the FlagStore port, on memory, a fake Redis, the embedded server and Debian's Redis alike."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest
from storekit import at_once, commit, eventually, write

from rollout.core.chain import entry_hash
from rollout.core.errors import InvalidInput, RevisionConflict
from rollout.service.ports import Change, Committed, Drawn, Note, Restoration, Stored
from rollout.stores import MOST_BYTES_TOLD, MOST_FLAGS_TOLD

AT_ONCE = timedelta(0)
LONG = timedelta(seconds=20)


def test_an_empty_store_is_at_revision_zero(store):
    stored = store.read()
    assert (stored.revision, stored.written_at_ms, stored.shared, stored.flags) == (0, 0, None, {})
    assert store.revision() == 0
    assert store.audit() == []
    assert store.changes(0, AT_ONCE) == []
    assert store.servers() == {}


def test_a_commit_is_read_back_whole(store):
    made = store.commit(
        commit(0, at_ms=7, entry=b"why", flags={"a": b"1", "b": b"2"}, shared=b"s", blobs={"d": b"x"}, answer=b"done")
    )
    stored = store.read()
    assert made == Committed(revision=1, answer=b"done", repeated=False)
    assert (stored.revision, stored.written_at_ms, stored.shared) == (1, 7, b"s")
    assert stored.flags == {"a": b"1", "b": b"2"}
    assert store.audit() == [b"why"]
    assert store.blob("d") == b"x"


def test_the_stores_own_clock_is_told(store):
    assert abs(store.read().now_ms - time.time() * 1000) < 60_000


def test_some_flags_can_be_read_alone(store):
    store.commit(commit(0, flags={"a": b"1", "b": b"2"}, shared=b"s"))
    assert store.read(["b", "never-seen"]).flags == {"b": b"2"}
    assert store.read([]).flags == {}
    assert store.read([]).shared == b"s"


def test_none_removes_a_document_and_leaves_the_others(store):
    store.commit(commit(0, flags={"a": b"1", "b": b"2"}, shared=b"s"))
    store.commit(commit(1, flags={"a": None, "never-seen": None}))
    assert store.read().flags == {"b": b"2"}
    assert store.read().shared == b"s"


def test_a_commit_may_carry_an_audit_line_alone(store):
    store.commit(commit(0, entry=b"somebody looked"))
    assert store.read().revision == 1
    assert store.changes(0, AT_ONCE) == [Change(1)]


@pytest.mark.parametrize("expected", [0, 2, 99])
def test_a_stale_revision_is_a_conflict_and_writes_nothing(store, expected):
    store.commit(commit(0, flags={"a": b"1"}))
    before = store.read().flags
    with pytest.raises(RevisionConflict, match=f"at revision 1, not {expected}"):
        store.commit(commit(expected, "stale", flags={"a": b"2"}, shared=b"s", blobs={"d": b"x"}))
    assert (store.read().flags, store.read().shared, store.blob("d")) == (before, None, None)
    assert store.audit() == [b"entry 1"]
    assert store.commit(commit(1, "stale")).repeated is False  # a refusal is not remembered as an answer


def test_the_store_knows_the_hash_of_the_last_entry(store):
    assert store.read().head_hash == ""
    for revision in (0, 1):
        store.commit(commit(revision, entry=b"line %d" % revision))
        assert store.read().head_hash == store.read([]).head_hash == entry_hash(b"line %d" % revision)


def test_an_entry_that_follows_another_history_is_a_conflict_and_writes_nothing(store):
    store.commit(commit(0, head_hash="", entry=b"one", flags={"a": b"1"}))
    before = store.read().flags
    for other in ("", entry_hash(b"another")):
        with pytest.raises(RevisionConflict, match="not the one that was there"):
            store.commit(commit(1, "forked", head_hash=other, flags={"a": b"2"}, shared=b"s", blobs={"d": b"x"}))
    assert (store.read().flags, store.read().shared, store.blob("d"), store.audit()) == (before, None, None, [b"one"])
    assert store.read().head_hash == entry_hash(b"one")
    assert store.commit(commit(1, "forked", head_hash=entry_hash(b"one"))).repeated is False


def test_a_repeated_request_gets_its_first_answer_whatever_the_revision(store):
    store.commit(commit(0, "first", answer=b"one\ntwo\n"))
    store.commit(commit(1))
    for expected in (0, 1, 2, 99):
        repeat = store.commit(commit(expected, "first", answer=b"another", flags={"a": b"1"}))
        assert repeat == Committed(revision=1, answer=b"one\ntwo\n", repeated=True)
    assert (store.revision(), store.read().flags) == (2, {})


def test_the_answer_to_a_request_can_be_asked_for(store):
    store.commit(commit(0, "first", answer=b"one\ntwo\n"))
    store.commit(commit(1, "second"))
    assert store.answered("first") == b"one\ntwo\n"
    assert store.answered("second") == b""
    assert store.answered("never-made") is None


def test_a_commit_cannot_be_earlier_than_the_last(store):
    store.commit(commit(0, at_ms=100))
    with pytest.raises(InvalidInput, match="at 99 ms is earlier than the last, at 100"):
        store.commit(commit(1, at_ms=99, flags={"a": b"1"}))
    assert (store.revision(), store.read().flags, len(store.audit())) == (1, {}, 1)
    assert store.commit(commit(1, at_ms=100)).revision == 2


def test_forty_threads_with_one_request_id_write_once(store):
    results = at_once([lambda: write(store, "the-one", b"line", answer=b"done")] * 40)
    assert {(made.revision, made.answer) for made in results} == {(1, b"done")}
    assert (store.revision(), store.audit()) == (1, [b"line"])


def test_forty_writers_leave_no_gap_and_each_line_once(backend):
    stores = [backend.open() for _ in range(4)]

    def writer(n):
        return lambda: [
            write(stores[n % 4], f"{n}-{i}", f"{n}-{i}".encode(), flags={f"f{n}": b"%d" % i}) for i in (0, 1)
        ]

    at_once([writer(n) for n in range(40)])
    store = stores[0]
    assert store.revision() == 80
    assert sorted(store.audit(limit=1000)) == sorted(f"{n}-{i}".encode() for n in range(40) for i in (0, 1))
    assert [change.revision for change in store.changes(0, AT_ONCE)] == list(range(1, 81))
    assert store.read().flags == {f"f{n}": b"1" for n in range(40)}


def test_changes_tell_what_was_written_in_order(store):
    store.commit(commit(0, flags={"a": b"1"}))
    store.commit(commit(1, flags={"a": None, "b": b"2"}))
    told = [Change(1, {"a": b"1"}), Change(2, {"a": None, "b": b"2"})]
    assert store.changes(0, AT_ONCE) == told
    assert store.changes(1, LONG) == told[1:]
    assert store.changes(2, AT_ONCE) == []


@pytest.mark.parametrize(
    ("more", "whole"),
    [
        ({"flags": {f"f{n}": b"{}" for n in range(MOST_FLAGS_TOLD)}}, False),
        ({"flags": {f"f{n}": b"{}" for n in range(MOST_FLAGS_TOLD + 1)}}, True),
        ({"flags": {f"f{n}": None for n in range(MOST_FLAGS_TOLD + 1)}}, True),
        ({"flags": {"f": b"x" * MOST_BYTES_TOLD}}, False),
        ({"flags": {"f": b"x" * MOST_BYTES_TOLD, "g": b"x"}}, True),
        ({"shared": b"s", "flags": {"f": b"x"}}, True),
    ],
)
def test_a_change_that_is_too_much_to_tell_says_only_that(store, more, whole):
    store.commit(commit(0, **more))
    told = Change(1, whole=True) if whole else Change(1, more["flags"])
    assert store.changes(0, AT_ONCE) == [told]


def test_a_waiting_follower_hears_of_each_commit_made_elsewhere(backend):
    follower, writer = backend.open(), backend.open()
    heard = []

    def follow():
        for n in range(20):
            heard.extend(follower.changes(n, LONG))

    def write_when_followed():
        for n in range(20):
            eventually(lambda n=n: len(heard) == n)
            writer.commit(commit(n, flags={"a": b"%d" % n}))

    began = time.monotonic()
    at_once([follow, write_when_followed])
    assert heard == [Change(n + 1, {"a": b"%d" % n}) for n in range(20)]
    assert time.monotonic() - began < LONG.total_seconds()  # which one missed signal would cost


def test_waiting_ends_when_nothing_comes(store):
    began = time.monotonic()
    assert store.changes(0, timedelta(seconds=1.2)) == []  # longer than any one answer may take
    assert time.monotonic() - began > 1.1


def test_a_follower_ahead_of_the_store_hears_nothing(store):
    """As after a backup was restored: whoever follows compares the revision."""
    store.commit(commit(0))
    assert store.changes(57, timedelta(milliseconds=50)) == []


def test_a_follower_far_behind_is_told_to_read_anew(store):
    for n in range(1300):
        store.commit(commit(n))
    assert store.changes(0, LONG) is None
    assert [change.revision for change in store.changes(1290, AT_ONCE)] == list(range(1291, 1301))
    assert len(store.audit(limit=2000)) == 1300


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"n":9007199254740993,"list":[],"f":1.0}', b"\0\xff\r\n$5\r\n", "₹ 1".encode(), b"1", b"-0"],
)
def test_contents_survive_byte_for_byte(store, content):
    flags = {"plain": content, "+odd -key\n₹": content}
    store.commit(commit(0, "first", entry=content, answer=content, flags=flags, blobs={"d": content}))
    assert (store.read().flags, store.read(list(flags)).flags) == (flags, flags)
    assert (store.audit(), store.blob("d")) == ([content], content)
    assert store.changes(0, AT_ONCE) == [Change(1, flags)]
    assert store.commit(commit(0, "first")).answer == content
    store.commit(commit(1, shared=content))
    assert store.read().shared == content


def test_a_list_of_a_million_members_is_kept(store):
    members = os.urandom(20 * 1024 * 1024)
    store.commit(commit(0, blobs={"sha256-x": members, "sha256-y": b"y"}))
    assert store.blob("sha256-x") == members
    assert store.blob("sha256-y") == b"y"
    assert store.blob("sha256-z") is None


def test_what_has_a_content_address_is_never_overwritten(store):
    store.commit(commit(0, blobs={"d": b"first"}))
    store.commit(commit(1, blobs={"d": b"second", "e": b"new"}))
    assert (store.blob("d"), store.blob("e")) == (b"first", b"new")


@pytest.mark.parametrize(
    ("asked", "revisions"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"limit": 2}, [1, 2]),
        ({"limit": 0}, []),
        ({"newest_first": True}, [5, 4, 3, 2, 1]),
        ({"newest_first": True, "limit": 2}, [5, 4]),
        ({"after": 2}, [3, 4, 5]),
        ({"after": 5}, []),
        ({"after": 99}, []),
        ({"before": 3}, [1, 2]),
        ({"before": 1}, []),
        ({"before": 0}, []),
        ({"after": 1, "before": 4}, [2, 3]),
        ({"after": 1, "before": 4, "newest_first": True, "limit": 1}, [3]),
        ({"after": 3, "before": 4}, []),
        ({"after": 4, "before": 2}, []),
    ],
)
def test_the_audit_log_is_read_in_pages(store, asked, revisions):
    for n in range(5):
        store.commit(commit(n))
    assert store.audit(**asked) == [b"entry %d" % revision for revision in revisions]


def reports(store):
    return {name: heard.report for name, heard in store.servers().items()}


def test_a_server_is_known_by_its_last_report_while_it_lives(store):
    store.beat("web-1", b"at 1", timedelta(minutes=1))
    store.beat("web-2", b"at 1", timedelta(milliseconds=50))
    store.beat("web-1", b"at 2", timedelta(minutes=1))
    eventually(lambda: reports(store) == {"web-1": b"at 2"})
    store.beat("web-2", b"at 2", timedelta(minutes=1))
    assert reports(store) == {"web-1": b"at 2", "web-2": b"at 2"}
    assert store.servers()["web-2"].age < timedelta(minutes=1)
    assert store.revision() == 0


def test_ticks_of_all_servers_count_the_time_between_them(backend):
    stores = [backend.open() for _ in range(2)]
    first = stores[0].tick()
    assert first.ticked_ms == 0
    ticks = [first]

    def enough():
        ticks.append(stores[len(ticks) % 2].tick())
        return ticks[-1].ticked_ms > 50

    eventually(enough)
    assert ticks[-1].ticked_ms == ticks[-1].now_ms - first.now_ms
    assert abs(first.now_ms - time.time() * 1000) < 60_000
    assert stores[0].revision() == 0


def test_what_is_read_between_two_ticks_knows_how_long_they_are_apart_so_far(backend):
    store = backend.open()
    assert store.read().ticked_ms == 0
    first = store.tick()
    eventually(lambda: store.read().ticked_ms > 50)
    read = store.read()
    assert read.ticked_ms == read.now_ms - first.now_ms
    assert store.read([]).ticked_ms <= store.tick().ticked_ms


def test_closing_twice_is_fine(store):
    store.close()
    store.close()


def note(store, entry=b"note", **more):
    held = store.read()
    facts = {"revision": held.revision, "notes": held.notes, "head_hash": held.head_hash, "at_ms": 1}
    store.note(Note(**facts | {"entry": entry} | more))


def test_a_note_goes_on_with_the_chain_and_changes_nothing_else(store):
    store.commit(commit(0, flags={"a": b"1"}))
    note(store, b"first")
    note(store, b"second")
    held = store.read()
    assert (held.revision, held.notes, held.head_hash, held.flags) == (1, 2, entry_hash(b"second"), {"a": b"1"})
    assert (store.audit(), store.notes()) == ([b"entry 1"], [b"first", b"second"])
    assert store.changes(1, AT_ONCE) == []
    store.commit(commit(1, head_hash=entry_hash(b"second")))
    assert (store.read().revision, store.read().notes) == (2, 0)


def test_a_note_that_follows_another_entry_is_a_conflict_and_writes_nothing(store):
    note(store, b"before all")
    store.commit(commit(0))
    for other in ({"revision": 0, "notes": 1}, {"notes": 1}, {"head_hash": entry_hash(b"before all")}):
        with pytest.raises(RevisionConflict):
            note(store, **other)
    assert store.notes() == [b"before all"]
    with pytest.raises(InvalidInput, match="at 0 ms is earlier than the last entry, at 1"):
        note(store, at_ms=0)


def test_a_commit_that_follows_an_entry_before_a_note_is_a_conflict(store):
    store.commit(commit(0, entry=b"one"))
    note(store)
    with pytest.raises(RevisionConflict):
        store.commit(commit(1, head_hash=entry_hash(b"one")))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["0.1", "1.1", "1.2", "1.3", "2.1"]),
        ({"limit": 2}, ["0.1", "1.1"]),
        ({"limit": 0}, []),
        ({"newest_first": True, "limit": 2}, ["2.1", "1.3"]),
        ({"after": (1, 1)}, ["1.2", "1.3", "2.1"]),
        ({"after": (1, 0), "before": (2, 0)}, ["1.1", "1.2", "1.3"]),
        ({"after": (2, 1)}, []),
        ({"before": (0, 1)}, []),
        ({"before": (0, 0)}, []),
        ({"after": (0, 1), "before": (1, 3), "newest_first": True}, ["1.2", "1.1"]),
    ],
)
def test_notes_are_read_in_pages(store, asked, found):
    for revision, notes in enumerate((1, 3, 1)):
        for number in range(1, notes + 1):
            note(store, f"{revision}.{number}".encode())
        store.commit(commit(revision))
    assert [line.decode() for line in store.notes(**asked)] == found


def test_a_store_says_that_it_lost_something_until_it_did_not(store):
    assert store.read().lost is None
    store.mark_lost(b"{}")
    assert (store.read().lost, store.read([]).lost, store.revision()) == (b"{}", b"{}", 0)
    store.mark_lost(None)
    assert store.read().lost is None


LOST = Restoration(
    revision=1,
    notes=0,
    head_hash=entry_hash(b"entry 1"),
    lines=[((1, 1), b"n1"), ((2, 0), b"two"), ((3, 0), b"three"), ((3, 1), b"n3")],
    after=Stored(3, 9, 9, b"shared 3", {"b": b"3"}, head_hash=entry_hash(b"n3"), notes=1),
    blobs={"d": b"x", "kept": b"other"},
)


def test_what_a_store_lost_is_given_back_whole(store):
    store.commit(commit(0, flags={"a": b"1"}, shared=b"shared 1", blobs={"kept": b"kept"}))
    store.restore(LOST)
    held = store.read()
    assert (held.revision, held.notes, held.head_hash, held.written_at_ms) == (3, 1, entry_hash(b"n3"), 9)
    assert (held.shared, held.flags) == (b"shared 3", {"b": b"3"})
    assert (store.audit(), store.notes()) == ([b"entry 1", b"two", b"three"], [b"n1", b"n3"])
    assert (store.blob("d"), store.blob("kept")) == (b"x", b"kept")
    assert store.changes(2, AT_ONCE) == [Change(3, whole=True)]
    assert store.changes(1, AT_ONCE) is None
    assert store.commit(commit(3, at_ms=9, head_hash=entry_hash(b"n3"))).revision == 4


def test_a_store_that_moved_meanwhile_is_not_given_back_anything(store):
    store.commit(commit(0))
    note(store)
    with pytest.raises(RevisionConflict):
        store.restore(LOST)
    assert (store.audit(), store.read().revision) == ([b"entry 1"], 1)


def test_a_keys_last_use_is_remembered_to_the_hour(store):
    assert store.key_uses() == {}
    store.use_keys([])
    store.use_keys({"k-one", "k-two"})
    hour = store.read().now_ms // 3_600_000
    store.use_keys(["k-two"])
    uses = store.key_uses()
    assert set(uses) == {"k-one", "k-two"}
    assert all(hour - 1 <= use <= hour + 1 for use in uses.values())
    assert store.revision() == 0


def people(*numbers: int) -> list[bytes]:
    return [b"person %d" % number for number in numbers]


def test_people_are_counted_once_on_a_day_by_each_counter(backend):
    store, other = backend.open(), backend.open()
    store.expose("2018-02-13", {"k/payments": people(1, 2), "k/wallet": people(1)})
    other.expose("2018-02-13", {"k/payments": people(2, 3)})
    other.expose("2018-02-14", {"k/payments": people(1)})
    assert store.exposed("2018-02-13") == {"k/payments": 3, "k/wallet": 1}
    assert store.exposed("2018-02-14") == {"k/payments": 1}
    assert store.exposed("2018-02-15") == {}


def test_many_people_are_counted_within_three_percent(store):
    for first in range(0, 20_000, 5_000):
        store.expose("2018-02-13", {"k/payments": people(*range(first, first + 5_000))})
    assert abs(store.exposed("2018-02-13")["k/payments"] - 20_000) < 600


def test_people_of_a_day_are_forgotten_alone(store):
    for day in ("2018-02-13", "2018-02-14"):
        store.expose(day, {"k/payments": people(1)})
    store.forget_exposed("2018-02-13")
    store.forget_exposed("2018-02-12")
    assert (store.exposed("2018-02-13"), store.exposed("2018-02-14")) == ({}, {"k/payments": 1})


def test_counting_people_moves_no_revision(store):
    store.commit(commit(0))
    before = store.read()
    store.expose("2018-02-13", {"k/payments": people(1)})
    after = store.read()
    assert (after.revision, after.notes, after.head_hash) == (before.revision, before.notes, before.head_hash)


def test_what_is_counted_of_a_draw_adds_up_over_servers_and_periods_and_people_count_once(backend):
    store, other = backend.open(), backend.open()
    assert store.drawn("payments", [7, 8]) == Drawn({}, {})
    store.draw("payments", 7, {"checks": 3, "inside": 1}, {"k/inside": people(1, 2)})
    other.draw("payments", 8, {"checks": 4}, {"k/inside": people(2, 3), "k/control": people(4)})
    other.draw("wallet", 8, {"checks": 9}, {})
    assert store.drawn("payments", [7, 8]) == Drawn({"checks": 7, "inside": 1}, {"k/inside": 3, "k/control": 1})
    assert store.drawn("payments", [8, 9]) == Drawn({"checks": 4}, {"k/inside": 2, "k/control": 1})
    assert store.drawn("wallet", [8]) == Drawn({"checks": 9}, {})


def test_what_one_server_claimed_no_other_gets_until_it_is_over(backend):
    store, other = backend.open(), backend.open()
    assert store.claim("a day", LONG)
    assert not other.claim("a day", LONG)
    assert other.claim("another day", timedelta(milliseconds=1))
    eventually(lambda: store.claim("another day", LONG))
