"""What was served of a share against what was intended: an honest client is inside the bounds, broken ones are pointed
out, and what waits is bounded.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from servicekit import FLAGS, Place, flag, request

from rollout.core.bucketing import bucket
from rollout.core.shares import HASHES, Share
from rollout.service import draws
from rollout.service.draws import PERIOD_MS, ROUNDS
from rollout.service.exposures import Exposures
from rollout.service.follower import Follower
from rollout.service.share_reports import share_report
from rollout.service.words import served_words
from rollout.telemetry import Counters
from rollout.web.evaluate import Checker

KEY = b"k" * 32


class World:
    """A worker on a store with a hand-held clock, with payments at a share of India."""

    def __init__(self, share: str = "20%", place: Place | None = None) -> None:
        self.place = place or Place()
        if place is None:
            self.place.operations.set_share("payments", Share.parse(share), request())
        self.follower = Follower(self.place.store)
        self.follower.follow(timedelta(0))
        self.counters = Counters()
        self.exposures = Exposures(self.place.store, self.follower, KEY, lambda: self.counters.asked)
        self.checker = Checker(self.follower, self.counters, self.exposures.served, self.exposures.served_one)
        self.second()

    def second(self) -> None:
        """One round of the worker's threads."""
        self.counters.flush()
        self.exposures.flush()
        self.exposures.draws.flush()

    def seconds(self, count: int = ROUNDS) -> None:
        for _ in range(count):
            self.second()

    def check(self, user_id: str, key: str = "payments", **attributes: str) -> bool:
        return self.checker.one(key, {"user_id": user_id, "country": "IN", **attributes})[0].on

    def served(self, key: str = "payments") -> dict[str, Any]:
        at = datetime.fromtimestamp(self.place.now_ms / 1000, UTC)
        found = share_report(self.place.store, self.follower.current, key, at)
        assert found is not None
        return found


def people(count: int) -> list[str]:
    return [f"u-{number}" for number in range(count)]


def honest(world: World) -> None:
    """People who come several times, and more often where they have the flag."""
    dice = random.Random(7)
    for who in people(1500):
        times = dice.randint(1, 3)
        for _ in range(times * 4 if world.check(who) else times):
            world.check(who)


def test_an_honest_client_is_inside_however_often_those_who_have_it_come() -> None:
    world = World()
    honest(world)
    world.seconds()
    served = world.served()
    assert (served["verdict"], served["warnings"]) == ("as intended", [])
    assert served["lowest"] <= served["percent"] <= served["highest"]
    assert served["on_checks"] / served["audience_checks"] > 0.3  # checks alone would have been misleading
    assert abs(served["people"] - 1500) < 250


def test_a_client_that_asks_only_for_those_who_have_it_is_pointed_out() -> None:
    world = World()
    for who in people(3000):
        if bucket("payments", who) < HASHES // 5 or who.endswith("7"):
            world.check(who)
            world.check(who)
    world.seconds()
    served = world.served()
    assert served["verdict"] == "look at it"
    assert "keeps old answers, or decides by itself" in served["warnings"][0]
    assert served["percent"] > served["highest"]


def random_ids(world: World) -> None:
    for number in range(3000):
        world.check(f"random-{number}")


def constant_id(world: World) -> None:
    for _ in range(300):
        world.check("anonymous")
        world.second()


def no_attributes(world: World) -> None:
    for who in people(300):
        world.checker.one("payments", {"user_id": who})


def no_user_id(world: World) -> None:
    for _ in people(300):
        world.checker.one("payments", {"country": "IN"})


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (random_ids, "nearly every check names a user_id that was not there before"),
        (constant_id, "most checks name one and the same user_id"),
        (no_attributes, "none of 300 checks was of anybody in india: does the client send country?"),
        (no_user_id, "300 of 300 checks came without user_id"),
    ],
)
def test_a_broken_client_is_pointed_out(client: Callable[[World], None], said: str) -> None:
    world = World()
    client(world)
    world.seconds()
    served = world.served()
    assert served["verdict"] == "look at it"
    assert [warning[: len(said)] for warning in served["warnings"]] == [said]


def test_colleagues_who_have_it_by_their_segment_say_nothing_of_the_audience() -> None:
    world = World()
    for _ in range(300):
        world.check("u-7", country="NL")
    world.seconds()
    served = world.served()
    assert (served["checks"], served["audience_checks"], served["warnings"]) == (300, 0, [])


def test_of_few_people_nothing_is_said() -> None:
    world = World("1%")
    for who in people(50):
        world.check(who)
    world.seconds()
    served = world.served()
    assert (served["verdict"], served["percent"]) == ("too few people", None)
    assert served_words(served).endswith("too few people to compare yet; intended 1%")


def test_all_flags_at_once_are_looked_at_closely_a_part_of_them() -> None:
    world = World()
    for who in people(600):
        world.checker.all({"user_id": who, "country": "IN"})
        if who.endswith("9"):
            world.second()
    world.seconds()
    served = world.served()
    assert (served["checks"], served["verdict"], served["warnings"]) == (600, "as intended", [])
    assert 0 < served["people"] < 1000


def test_what_programs_draw_by_themselves_counts_where_it_is_the_same_draw() -> None:
    world = World()
    inside = [who for who in people(1000) if bucket("payments", who) < HASHES // 5]
    control = [who for who in people(1000) if HASHES // 5 <= bucket("payments", who) < HASHES * 2 // 5]
    world.exposures.drawn("payments", "20% of india", {":inside": inside, ":control": control})
    world.exposures.drawn("payments", "50% of india", {":inside": people(1000), ":control": []})
    world.exposures.drawn("wallet", "20% of india", {":inside": people(1000), ":control": []})
    world.seconds()
    served = world.served()
    assert (served["checks"], served["verdict"]) == (0, "as intended")
    assert abs(served["people"] - (len(inside) + len(control)) * 2.5) < 1


def test_several_workers_count_a_person_once() -> None:
    world = World()
    other = World(place=world.place)
    for each in (world, other):
        for who in people(500):
            each.check(who)
            each.check(who)
        each.seconds()
    served = world.served()
    assert (served["checks"], served["verdict"], served["warnings"]) == (2000, "as intended", [])
    assert served["audience_checks"] == 4 * (500 - 2)  # two of them are employees, who have it without the share
    assert abs(served["people"] - 500) < 100


def test_a_share_that_changes_begins_anew_and_an_old_quarter_of_an_hour_is_over() -> None:
    world = World()
    honest(world)
    world.seconds()
    world.place.operations.set_share("payments", Share.parse("50%"), request(), beyond_plan=True)
    world.follower.follow(timedelta(0))
    world.seconds()
    assert (world.served()["share"], world.served()["people"]) == ("50%", 0)
    honest(world)
    world.seconds()
    assert world.served()["verdict"] == "as intended"
    world.place.now_ms += 4 * PERIOD_MS
    assert world.served()["checks"] == 0
    assert served_words(world.served()).startswith("nobody in india was asked for since")


def test_flags_that_no_one_share_decides_are_not_compared() -> None:
    world = World()
    at = datetime.fromtimestamp(world.place.now_ms / 1000, UTC)
    for key in ("switch", "plain", "wallet", "gone"):
        assert share_report(world.place.store, world.follower.current, key, at) is None
    world.place.load(*FLAGS, flag("leans", "20%", "100%", requires=("payments",), salt="payments"))
    world.place.operations.set_share("leans", Share.parse("20%"), request())
    world.follower.follow(timedelta(0))
    assert share_report(world.place.store, world.follower.current, "leans", at) is None  # it has the same buckets


def test_of_more_people_than_are_handed_over_the_same_part_of_both_sides_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "MOST_PEOPLE", 100)
    world = World()
    for who in people(5000):
        world.check(who)
        world.check(who)
    world.seconds()
    served = world.served()
    assert served["verdict"] == "as intended"
    assert 0 < served["people"] < 1000


def test_only_keyed_hashes_of_people_reach_the_store() -> None:
    world = World()
    given: list[Any] = []

    class Listening:
        def draw(self, *arguments: Any) -> None:
            given.append(arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.place.store, name)

    world.exposures.draws.store = Listening()  # type: ignore[assignment]
    for who in people(200):
        world.check(who)
    world.seconds()
    assert {flag for flag, *_ in given} == {"payments"}
    assert all(
        type(one) is bytes and len(one) == 16 for *_, hashes in given for side in hashes.values() for one in side
    )
    assert "u-" not in repr(given)
