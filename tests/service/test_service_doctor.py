"""The doctor: what it finds, each thing by itself, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from rollout.core.progression import Moment
from rollout.core.shares import Share
from rollout.service.desk import StoreDesk
from rollout.service.doctor import doctor_report, without_store
from rollout.service.follower import Follower
from rollout.service.keys import KeyDesk
from rollout.service.operations import moment_of
from rollout.service.ports import Heard, Vitals
from rollout.service.snapshot import Snapshot
from tests.service.approvalkit import Company
from tests.service.servicekit import FLAGS, Place, flag, request

GOOD = Vitals(
    "redis",
    (7, 0, 15),
    authenticated=True,
    eviction_policy="noeviction",
    append_only=True,
    memory_used=10 * 2**20,
    memory_limit=100 * 2**20,
)
SECOND = timedelta(seconds=1)


def snapshot_of(place: Place) -> Snapshot:
    follower = Follower(place.store)
    follower.read()
    return follower.current


def heard(place: Place, age: timedelta = SECOND, **more: Any) -> Heard:
    at_ms = place.now_ms - age // timedelta(milliseconds=1)
    report = {"kind": "server", "revision": place.store.revision(), "at_ms": at_ms, "trouble": None, "file": None}
    return Heard(orjson.dumps(report | more), age)


def moment(place: Place) -> Moment:
    return moment_of(place.store.read([]))


def problems(place: Place, vitals: Vitals = GOOD, **servers: Heard) -> dict[str, str]:
    """By check."""
    heard_of = servers or {"a": heard(place)}
    document = doctor_report(snapshot_of(place), vitals, heard_of, {}, moment(place))
    found = {one["check"]: one["says"] for one in document["checks"] if one["state"] == "problem"}
    assert document["healthy"] is not bool(found)
    assert all(one["hint"] for one in document["checks"] if one["state"] == "problem")
    return found


@pytest.fixture
def place() -> Place:
    """A minute after the file was loaded, with a key."""
    place = Place()
    KeyDesk(place.store, place.operations).create("admin", "anna", request())
    place.now_ms += 60_000
    return place


def test_where_nothing_is_wrong_it_finds_nothing(place: Place) -> None:
    assert problems(place) == {}
    assert problems(place, replace(GOOD, authenticated=False, is_local=True)) == {}
    assert problems(place, replace(GOOD, software="valkey", version=(9, 1, 2), memory_limit=0)) == {}
    assert problems(place, Vitals(None)) == {}


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        ("store version", {"version": (6, 0, 16)}),
        ("store version", {"software": "valkey", "version": (7, 1)}),
        ("store role", {"is_replica": True}),
        ("store access", {"authenticated": False}),
        ("store eviction", {"eviction_policy": "allkeys-lru"}),
        ("store persistence", {"append_only": False}),
        ("store persistence", {"persists": False}),
        ("store memory", {"memory_used": 81 * 2**20}),
    ],
)
def test_a_store_that_is_not_set_up_well_is_a_problem(place: Place, check: str, wrong: dict[str, Any]) -> None:
    assert list(problems(place, replace(GOOD, **wrong))) == [check]


@pytest.mark.parametrize(
    ("check", "said", "age", "report"),
    [
        ("servers", "not heard of for 40 s", 40 * SECOND, {}),
        ("servers", "the store is behind", SECOND, {"trouble": "the store is behind"}),
        ("servers", "serves revision 1", SECOND, {"revision": 1}),
        ("clocks", "s apart", SECOND, {"at_ms": 1}),
        (
            "file",
            "flags.yaml is broken: no",
            SECOND,
            {"file": {"name": "flags.yaml", "state": "broken", "problems": [{"message": "no"}]}},
        ),
        ("file", "out of step", SECOND, {"file": {"name": "flags.yaml", "state": "out of step", "digest": "d"}}),
    ],
)
def test_a_server_that_is_not_well_is_a_problem(
    place: Place, check: str, said: str, age: timedelta, report: dict[str, Any]
) -> None:
    found = problems(place, a=heard(place), b=heard(place, age, **report))
    assert list(found) == [check]
    assert said in found[check]
    assert "b" in found[check]


def test_a_server_has_a_moment_to_follow_a_change(place: Place) -> None:
    behind = heard(place)
    place.load(*FLAGS, flag("new"))
    assert problems(place, a=behind) == {}
    place.now_ms += 60_000
    assert list(problems(place, a=replace(heard(place), report=behind.report.replace(b"at_ms", b"was_ms")))) == [
        "servers"
    ]


def test_a_key_that_expires_soon_is_a_problem_until_another_took_over(place: Place) -> None:
    keys = KeyDesk(place.store, place.operations)
    made = keys.create("server", "shop", request(), expires=timedelta(days=10))
    place.now_ms += 60_000
    found = problems(place)
    assert "server key" in found["keys"]
    assert "within 10 days" in found["keys"]
    keys.rotate(made["keys"][0]["id"], request(), expires=timedelta(days=100))
    place.now_ms += 60_000
    assert problems(place) == {}


def test_servers_that_hash_people_by_different_keys_are_a_problem(place: Place) -> None:
    same = heard(place, subjects="b1f0"), heard(place, subjects="b1f0")
    assert problems(place, a=same[0], b=same[1], worker=heard(place)) == {}
    found = problems(place, a=same[0], b=same[1], c=heard(place, subjects="07aa"))
    assert list(found) == ["people"]
    assert "a, b and c hash people by different keys" in found["people"]
    gone = heard(place, 40 * SECOND, subjects="07aa")
    assert list(problems(place, a=same[0], c=gone)) == ["servers"]


def test_what_was_done_alone_is_a_problem_until_a_second_admin_has_seen_it() -> None:
    company = Company()
    alone = company.by("asha", "the bank waits", break_glass=True)
    done = company.operations.set_share("payments", Share.parse("50%"), alone)
    company.now_ms += 60_000
    (found,) = overrides(company)
    assert found["state"] == "problem"
    assert found["says"].startswith(f"asha did set of payments alone at revision {done['revision']} (the bank waits)")
    assert found["hint"].endswith(f"rollout approve {done['break_glass']['id']}")
    company.desk.approve(done["break_glass"]["id"], company.by("bela", "seen"))
    assert [one["state"] for one in overrides(company)] == ["ok"]


def overrides(company: Company) -> list[dict[str, Any]]:
    checks = StoreDesk.straight(company.store, lambda *_: None).doctor()["checks"]
    return [one for one in checks if one["check"] == "overrides"]


def test_while_the_store_is_away_that_is_the_problem() -> None:
    document = without_store("connection refused")
    assert (document["healthy"], document["checks"][0]["says"]) == (False, "connection refused")


def test_a_desk_on_a_store_in_memory_says_that_it_is_kept_nowhere(place: Place) -> None:
    desk = StoreDesk.straight(place.store, lambda *_: None)
    checks = {one["check"]: one["state"] for one in desk.doctor()["checks"]}
    fine = ("servers", "clocks", "file", "keys", "people", "overrides", "guards")
    assert checks == {"store": "unknown", **dict.fromkeys(fine, "ok")}
