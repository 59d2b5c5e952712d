"""Who is told what, and when: on a clock that is moved by hand."""

from __future__ import annotations

import re

import pytest
from streamkit import Reader, hub_at

from rollout.streams.frames import HEARTBEAT, NO_REVISION, Head, opening, refetch, revision_in
from rollout.streams.hub import CAUGHT_UP_A_SECOND, RECENT, RETRY_MS, TOGETHER, TOLD_A_SECOND
from rollout.streams.pace import Pace


def test_an_event_is_what_openfeature_says_it_is():
    assert refetch(Head(7, 1_771_622_898)) == (
        b'id: 7\nevent: message\ndata: {"type":"refetchEvaluation","etag":"\\"r7\\"","lastModified":1771622898}\n\n'
    )


def test_a_time_that_nobody_knows_is_not_told():
    assert b"lastModified" not in refetch(Head(7, 0))


def test_the_first_block_is_no_event_and_says_where_to_resume_from():
    assert opening(1500, 7) == b"retry: 1500\nid: 7\n\n"
    assert opening(1500, None) == b"retry: 1500\n\n"


@pytest.mark.parametrize("written", [b"", b"-1", b"r7", b"7.0", b"\xd9\xa3", b"9" * 16, b"9" * 5000, b"7, 8"])
def test_an_id_that_is_not_ours_is_like_no_revision(written):
    assert revision_in(written) == NO_REVISION


def test_an_id_of_ours_is_the_revision():
    assert (revision_in(b"0"), revision_in(b"70")) == (0, 70)


def test_a_change_is_told_to_everybody_once():
    hub, loop = hub_at(7)
    readers = [Reader() for _ in range(1000)]
    for reader in readers:
        hub.enter(reader)
    hub.news(Head(8, 1))
    loop.advance(1)
    assert {tuple(reader.told) for reader in readers} == {(8,)}
    assert hub.told == 1000


def test_several_changes_at_once_are_one_event():
    hub, loop = hub_at(7)
    reader = Reader()
    hub.enter(reader)
    for revision in range(8, 20):
        hub.news(Head(revision, 1))
        loop.advance(TOGETHER / 20)
    loop.advance(1)
    hub.news(Head(20, 1))
    loop.advance(1)
    assert reader.told == [19, 20]


def test_changes_without_end_are_told_only_so_often():
    hub, loop = hub_at(7)
    readers = [Reader(seen=7) for _ in range(TOLD_A_SECOND // 2)]
    for reader in readers:
        hub.enter(reader)
    for revision in range(8, 1008):  # in 10 seconds
        hub.news(Head(revision, 1))
        loop.advance(0.01)
    loop.advance(1)
    assert 15 <= len(readers[0].told) <= 25
    assert {reader.told[-1] for reader in readers} == {1007}


def test_somebody_who_missed_something_is_told_at_once_and_only_once():
    hub, loop = hub_at(7)
    reader = Reader(seen=5)
    hub.enter(reader)
    assert reader.told == [7]
    loop.advance(60)
    assert reader.told == [7]


def test_somebody_who_missed_nothing_is_told_nothing():
    hub, loop = hub_at(7)
    reader = Reader(seen=7)
    hub.enter(reader)
    loop.advance(10)
    assert reader.told == []
    assert b"id: 7\n" in reader.got[0]


def test_somebody_who_knows_more_than_there_is_asks_again():
    """The store was emptied, or another server is ahead: in both cases an answer of ours is the best there is."""
    hub, _ = hub_at(7)
    reader = Reader(seen=500)
    hub.enter(reader)
    assert reader.told == [7]


def test_somebody_new_is_told_nothing_while_nothing_changed_lately():
    hub, loop = hub_at(7)
    loop.advance(RECENT + 1)
    reader = Reader()
    hub.enter(reader)
    assert reader.told == []
    assert b"id: 7\n" in reader.got[0]  # so that it resumes from there


def test_somebody_new_is_told_of_what_changed_while_it_was_coming():
    hub, loop = hub_at(7)
    hub.news(Head(8, 1))
    loop.advance(RECENT - 1)
    reader = Reader()
    hub.enter(reader)
    assert reader.told == [8]


def test_while_nothing_is_known_nobody_is_told_and_then_those_who_differ_are():
    hub, loop = hub_at(None)
    same, behind = Reader(seen=7), Reader(seen=6)
    for reader in (same, behind):
        hub.enter(reader)
    loop.advance(30)
    assert same.told == behind.told == []
    assert b"id:" not in behind.got[0]
    hub.news(Head(7, 1))
    loop.advance(1)
    assert (same.told, behind.told) == ([], [7])


def test_whoever_is_lost_before_it_was_told_is_told_next_time():
    hub, _ = hub_at(7)
    crowd = [Reader(seen=5) for _ in range(10)]
    for reader in crowd:
        hub.enter(reader)
    assert crowd[-1].told == []
    assert b"id:" not in b"".join(crowd[-1].got)  # so its client still resumes from 5


def test_thousands_who_come_back_at_once_are_told_one_after_the_other():
    hub, loop = hub_at(7)
    crowd = [Reader(seen=5) for _ in range(3 * CAUGHT_UP_A_SECOND)]
    for reader in crowd:
        hub.enter(reader)
    so_far = []
    for _ in range(4):
        loop.advance(1)
        so_far.append(sum(len(reader.told) for reader in crowd))
    assert so_far[0] <= CAUGHT_UP_A_SECOND + 2
    assert so_far[1] <= 2 * CAUGHT_UP_A_SECOND + 2
    assert so_far[3] == len(crowd)


def test_each_is_given_its_own_pause_before_it_comes_back():
    hub, _ = hub_at(7)
    pauses = set()
    for _ in range(200):
        reader = Reader()
        hub.enter(reader)
        pauses.add(int(re.search(rb"retry: (\d+)", reader.got[0])[1]))
    assert len(pauses) > 50
    assert RETRY_MS[0] <= min(pauses) <= max(pauses) <= RETRY_MS[1]


def test_a_silent_stream_gets_a_heartbeat_as_often_as_asked_for():
    hub, loop = hub_at(7, heartbeat=15)
    readers = [Reader() for _ in range(100)]
    for reader in readers:
        hub.enter(reader)
    loop.advance(60)
    assert {reader.got.count(HEARTBEAT) for reader in readers} <= {4}


def test_whoever_left_is_told_nothing_more():
    hub, loop = hub_at(7)
    reader = Reader()
    slot = hub.enter(reader)
    hub.leave(reader, slot)
    hub.news(Head(8, 1))
    loop.advance(60)
    assert (hub.open, reader.told, len(reader.got)) == (0, [], 1)


def test_at_the_end_every_stream_is_closed():
    hub, _ = hub_at(7)
    readers = [Reader() for _ in range(40)]
    for reader in readers:
        hub.enter(reader)
    hub.end()
    assert all(reader.ended for reader in readers)


def test_turns_come_at_once_for_few_and_in_order_for_many():
    pace = Pace(10)
    assert pace.wait(100.0) == 0
    assert [round(pace.wait(100.0), 6) for _ in range(3)] == [0.1, 0.2, 0.3]
    assert pace.wait(200.0) == 0
