"""Changes that wait for a second person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.core.errors import NotAllowed, RefusedByRule, UnknownChange
from rollout.core.flags import Flag
from rollout.core.pending import (
    LIFETIME,
    MOST_PENDING,
    Agreement,
    Bound,
    Pending,
    Person,
    agreed,
    bound_of,
    differing,
    id_of,
    is_void,
    undecided,
    with_difference,
    with_proposed,
    without,
)
from rollout.core.progress import FileInForce, FlagRecord, Progress, State, Stop

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
CONTENT = {"share": "50%"}
BOUND = Bound({"pay": 3}, 1)
ASHA = Person("asha", "key-a")
WAITS = Pending("one", "set", "pay", CONTENT, BOUND, ("50%",), ASHA, "", "", NOW, NOW + LIFETIME, 2)
STATE = State(
    3, records={"pay": FlagRecord(Flag("pay", "", ""), Progress(), 3)}, file=FileInForce("f", "d", "t", "l", 1, NOW)
)


def yes(name: str, key: str, one: Pending = WAITS, made: datetime = LONG_AGO) -> Pending:
    return agreed(one, Agreement(name, key, NOW), made)


def test_one_byte_or_one_revision_more_is_another_change():
    mine = id_of("set", "pay", CONTENT, BOUND)
    assert mine == id_of("set", "pay", dict(CONTENT), Bound({"pay": 3}, 1))
    others = (
        id_of("set", "pay", {"share": "51%"}, BOUND),
        id_of("set", "pays", CONTENT, BOUND),
        id_of("advance", "pay", CONTENT, BOUND),
        id_of("set", "pay", CONTENT, Bound({"pay": 4}, 1)),
        id_of("set", "pay", CONTENT, Bound({"pay": 3}, 2)),
        id_of("set", "pay", CONTENT, Bound({"pay": 3, "other": 1}, 1)),
    )
    assert len({mine, *others}) == 1 + len(others)


def test_a_change_is_void_once_a_flag_that_it_concerns_or_the_file_has_moved():
    assert bound_of(STATE, ["pay"]) == BOUND
    assert not is_void(WAITS, STATE)
    moved = replace(STATE.records["pay"], revision=4)
    assert is_void(WAITS, replace(STATE, records={"pay": moved}))
    assert STATE.file
    assert is_void(WAITS, replace(STATE, file=replace(STATE.file, revision=2)))
    assert is_void(WAITS, replace(STATE, records={}))
    assert not is_void(WAITS, replace(STATE, revision=99))
    assert not is_void(replace(WAITS, done_at=4), replace(STATE, records={"pay": moved}))


def test_nobody_approves_their_own():
    for name, key in (("asha", "key-a"), ("somebody", "key-a"), ("asha", "key-b")):
        with pytest.raises(NotAllowed, match="their own"):
            yes(name, key)


def test_nobody_counts_twice():
    once = yes("bela", "key-b")
    for name, key in (("bela", "key-b"), ("bela", "key-c")):
        with pytest.raises(NotAllowed, match="already"):
            yes(name, key, once)
    assert len(yes("chitra", "key-c", once).approved) == 2


def test_a_key_that_was_made_for_the_occasion_does_not_count():
    with pytest.raises(NotAllowed, match="made after"):
        yes("bela", "key-b", made=NOW)


def test_all_who_speak_on_one_change_are_known_in_the_same_way():
    by_log_in = replace(WAITS, by=Person("asha@example.com", "oidc:000000000001"))
    of_nobody = replace(WAITS, by=Person("flags.yaml", kind="file"))
    with pytest.raises(NotAllowed, match="others spoke by key"):
        yes("bela@example.com", "oidc:000000000002")
    with pytest.raises(NotAllowed, match="others spoke by log-in"):
        yes("bela", "key-b", by_log_in)
    with pytest.raises(NotAllowed, match="others spoke by log-in"):
        yes("bela", "key-b", yes("bela@example.com", "oidc:000000000002", of_nobody))
    with pytest.raises(NotAllowed, match="their own"):
        yes("asha@new.example.com", "oidc:000000000001", by_log_in)
    assert len(yes("bela@example.com", "oidc:000000000002", by_log_in).approved) == 1


def test_after_a_day_a_change_waits_no_longer_and_what_was_done_alone_still_does():
    waiting = {"one": WAITS}
    assert undecided(waiting, "one", NOW) == WAITS
    with pytest.raises(RefusedByRule, match="24 hours"):
        undecided(waiting, "one", NOW + LIFETIME)
    done = replace(WAITS, done_at=4)
    assert undecided({"one": done}, "one", NOW + 10 * LIFETIME) == done
    with pytest.raises(UnknownChange):
        undecided(waiting, "two", NOW)


def test_what_was_rejected_is_not_proposed_again_on_the_same_day_whatever_moved():
    no = replace(WAITS, rejected=Stop("bela", NOW, "not today"))
    with pytest.raises(RefusedByRule, match="rejected by bela"):
        undecided({"one": no}, "one", NOW)
    again = replace(WAITS, id="two", bound=Bound({"pay": 9}, 1), by=Person("chitra", "key-c"))
    with pytest.raises(RefusedByRule, match="bela rejected this"):
        with_proposed({"one": no}, again, NOW)
    assert list(with_proposed({"one": no}, again, NOW + LIFETIME)) == ["two"]


def test_only_so_many_wait():
    waiting = {str(n): replace(WAITS, id=str(n), content={"share": f"{n}.5%"}) for n in range(MOST_PENDING)}
    waiting["no"] = replace(WAITS, id="no", content={}, rejected=Stop("bela", NOW, ""))
    with pytest.raises(RefusedByRule, match="wait for approval"):
        with_proposed(waiting, WAITS, NOW)
    assert len(with_proposed(waiting, replace(WAITS, done_at=7), NOW)) == MOST_PENDING + 2
    assert list(with_proposed(waiting, WAITS, NOW + LIFETIME)) == ["one"]


def test_what_differs_makes_the_same_again():
    before = {"one": WAITS, "two": replace(WAITS, id="two")}
    after = {**without(before, "two"), "one": yes("bela", "key-b"), "three": replace(WAITS, id="three")}
    assert with_difference(before, *differing(before, after)) == after
    assert differing(before, before) == ((), ())


def test_the_same_on_other_ground_takes_the_place_of_the_one_that_is_void():
    again = replace(WAITS, id="two", bound=Bound({"pay": 4}, 1))
    assert list(with_proposed({"one": WAITS}, again, NOW)) == ["two"]
    seen = replace(WAITS, done_at=4)
    assert list(with_proposed({"one": seen}, again, NOW)) == ["one", "two"]
