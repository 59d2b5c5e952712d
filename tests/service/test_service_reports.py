"""What people are told: pages of the audit, and explanations as documents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rollout.core.errors import InvalidInput, UnknownFlag
from rollout.core.shares import Share
from rollout.service.reports import (
    audit_report,
    dependents,
    explain_report,
    flag_status_report,
    lines_in_force,
    status_report,
)
from rollout.service.snapshot import Snapshot, empty_snapshot, take_snapshot
from tests.service.servicekit import FLAGS, Place, flag, request


def snapshot_of(place: Place) -> Snapshot:
    return take_snapshot(place.store.read(), place.store.blob, empty_snapshot())


@pytest.fixture
def busy() -> Place:
    """25 revisions: one of a file, 12 of `plain`, 12 of `payments`, by turns."""
    place = Place()
    for number in range(6):
        for key in ("plain", "payments"):
            place.operations.kill(key, request(f"{key} {number}"))
            place.operations.revive(key, request())
    return place


def pages(place: Place, **asked: Any) -> list[int]:
    """All pages, one after the other, as a reader would ask for them."""
    revisions: list[int] = []
    before = None
    while True:
        report = audit_report(place.store, before=before, **asked)
        revisions += [entry["revision"] for entry in report["entries"]]
        before = report["next_before"]
        if before is None:
            return revisions


def check_pages(place: Place, flag: str | None, limit: int, revisions: list[int]) -> None:
    assert pages(place, flag=flag, limit=limit) == revisions


def test_the_pages_of_the_audit_have_every_entry_once_newest_first(busy: Place) -> None:
    everything = list(range(25, 0, -1))
    of_payments = [25, 24, 21, 20, 17, 16, 13, 12, 9, 8, 5, 4, 1]  # the file's own, too
    for limit in (1, 2, 7, 24, 25, 26, 100, 1000, 10**9):
        check_pages(busy, None, limit, everything)
        check_pages(busy, "payments", limit, of_payments)
        check_pages(busy, "nobody", limit, [])


def test_a_page_of_none_or_fewer_is_a_page_of_one(busy: Place) -> None:
    for limit in (0, -1, -(10**9)):
        report = audit_report(busy.store, flag=None, limit=limit, before=None)
        assert [entry["revision"] for entry in report["entries"]] == [25]
        assert report["next_before"] == 25


def test_a_page_has_at_most_a_thousand_entries() -> None:
    place = Place()
    for _ in range(600):
        place.operations.kill("plain", request())
        place.operations.revive("plain", request())
    report = audit_report(place.store, flag=None, limit=5000, before=None)
    assert len(report["entries"]) == 1000
    assert report["next_before"] == 202
    check_pages(place, None, 5000, list(range(1201, 0, -1)))


def test_an_explanation_is_a_document_that_names_lines_of_the_file() -> None:
    place = Place()
    place.operations.set_share("payments", Share.parse("1%"), request())
    snapshot = snapshot_of(place)
    lines = lines_in_force(snapshot, place.store.blob)
    assert lines == {"flags.payments": 48}
    report = explain_report(snapshot, "payments", {"user_id": "u-7", "shoe": 43, "country": None}, lines)
    assert (report["on"], report["variant"], report["value"], report["reason"]) == (True, "on", True, "TARGETING_MATCH")
    assert report["ignored"] == ["country", "shoe"]
    assert report["steps"][0] == {"holds": True, "text": "not killed", "where": "flags.yaml:48", "depth": 0}
    assert report["steps"][1]["where"] is None
    with pytest.raises(UnknownFlag):
        explain_report(snapshot, "nothing", {}, lines)
    with pytest.raises(InvalidInput, match="country: 5 is not text"):
        explain_report(snapshot, "payments", {"country": 5}, lines)


def test_lines_that_are_not_kept_are_no_trouble() -> None:
    place = Place()
    assert lines_in_force(snapshot_of(place), lambda _: None) == {}
    assert lines_in_force(empty_snapshot(), place.store.blob) == {}


def test_a_status_has_the_urgent_first() -> None:
    place = Place(flags=(*FLAGS, flag("halting", "1%"), flag("ended", "1%"), flag("asleep", enabled=False)))
    place.operations.kill("wallet", request())
    place.operations.set_share("halting", Share.parse("0%"), request())
    place.operations.advance("ended", request())
    for server in ("b", "a"):
        place.store.beat(server, b'{"workers": 4}', timedelta(seconds=30))
    report = status_report(snapshot_of(place), place.store.servers())
    assert [(line["flag"], line["state"]) for line in report["flags"]] == [
        ("wallet", "killed"),
        ("halting", "halted"),
        ("payments", "rolling"),
        ("plain", "on"),
        ("switch", "on"),
        ("ended", "done"),
        ("asleep", "disabled"),
    ]
    assert [(server["id"], server["workers"]) for server in report["servers"]] == [("a", 4), ("b", 4)]
    assert report["schema_version"] == 1


def test_what_goes_off_with_a_flag_is_named() -> None:
    place = Place(
        flags=(
            flag("base"),
            flag("b", requires=("base",)),
            flag("c", requires=("b",)),
            flag("d", requires=("c", "base")),
            flag("other"),
        )
    )
    snapshot = snapshot_of(place)
    assert dependents(snapshot, "base") == ["b", "c", "d"]
    assert dependents(snapshot, "c") == ["d"]
    assert dependents(snapshot, "other") == []
    assert flag_status_report(snapshot, "base")["required_by"] == ["b", "c", "d"]
