"""A store that lost part of the record: nothing is raised until a person gives it back, and then nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.cli.recovering import DiskCopy
from rollout.core.audit import read_line
from rollout.core.chain import follow
from rollout.core.errors import RefusedByRule, RevisionConflict
from rollout.core.shares import Share
from rollout.service.follower import Follower
from rollout.service.recovering import recover
from rollout.service.shipper import RecordState, Shipper
from rollout.stores.disk import DiskSnapshot
from rollout.stores.segments import Segments
from tests.record.recordkit import everything, live_through, place_at
from tests.service.servicekit import Place, request

LATER = 60


class Site:
    """A server that shipped a record, of which its store then lost the end."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.whole = live_through(place_at("2018-02-01"), LATER)
        self.shipper(self.whole).ship()
        self.lost = live_through(place_at("2018-02-01"), 30)
        self.give_same_requests()
        self.lost.now_ms = self.whole.now_ms

    def give_same_requests(self) -> None:
        """The lost store is the whole one as it was thirty entries before."""
        store, lines = self.lost.store, everything(self.whole)[:31]
        store._audit = [line for line in lines if "note" not in read_line(line)]
        store._notes = [((one["revision"], one["note"]), line) for line in lines if "note" in (one := read_line(line))]
        store._head_hash = follow(lines).hash

    def shipper(self, place: Place) -> Shipper:
        return Shipper(place.store, lambda: Segments(self.data / "audit"), server="web-1")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_while_entries_are_lost_nothing_is_raised_by_anybody_and_everything_can_be_stopped(site: Site) -> None:
    shipper = site.shipper(site.lost)
    shipper.ship()
    assert shipper.standing.state is RecordState.BEHIND
    operations = site.lost.operations
    operations.kill("payments", request())
    for dry_run in (True, False):
        with pytest.raises(RefusedByRule, match="the store lost entries") as refused:
            operations.revive("payments", request(dry_run=dry_run))
        assert "rollout audit recover" in (refused.value.hint or "")
    with pytest.raises(RefusedByRule, match="the store lost entries"):
        operations.set_share("wallet", Share.parse("100%"), request())
    operations.halt("wallet", request())


def test_what_was_lost_is_given_back_and_raises_go_on(site: Site) -> None:
    shipper = site.shipper(site.lost)
    shipper.ship()
    recovered = recover(site.lost.store, DiskCopy(site.data), request("the backup was old"))
    assert recovered.entries == LATER + 1 - 31
    lines = everything(site.lost)
    assert lines[:-1] == everything(site.whole)
    assert follow(lines).hash == site.lost.store.read().head_hash
    assert site.lost.state() == site.whole.state()
    last = read_line(lines[-1])
    assert (last["action"], last["after"]["given_back"], last["reason"]) == ("recover", 30, "the backup was old")
    shipper.ship()
    assert shipper.standing.state is RecordState.SHIPPING
    assert site.lost.operations.set_share("payments", Share.parse("100%"), request())["raises"]


def test_servers_that_served_the_newest_state_go_on_with_it(site: Site) -> None:
    follower = Follower(site.whole.store)
    follower.read()
    before = follower.current
    follower._store = site.lost.store
    assert not follower.follow()
    assert follower.current is before
    recover(site.lost.store, DiskCopy(site.data), request())
    assert follower.follow()
    assert follower.current.state.records == before.state.records


def test_a_store_that_was_emptied_is_filled_again(site: Site) -> None:
    empty = Place(now_ms=site.whole.now_ms, flags=())
    recover(empty.store, DiskCopy(site.data), request())
    assert empty.state() == site.whole.state()
    members = [one.members for one in empty.state().definitions.segments.values() if one.members]
    assert all(empty.store.blob(one.digest) for one in members)


def test_the_documents_that_the_server_kept_are_given_back_as_they_were(site: Site) -> None:
    held = site.whole.store.read()
    DiskSnapshot(site.data, "a store").write(held, [], site.whole.store.blob)
    recover(site.lost.store, DiskCopy(site.data), request())
    after = site.lost.store.read()
    assert (after.shared, after.flags) == (held.shared, held.flags)


def test_where_nothing_is_lost_nothing_is_changed_but_the_mark(site: Site) -> None:
    site.whole.store.mark_lost(b"{}")
    before = site.whole.state()
    assert recover(site.whole.store, DiskCopy(site.data), request()).entries == 0
    assert (site.whole.state(), site.whole.store.read().lost) == (before, None)


def test_another_history_is_left_as_it_is_until_a_person_says_that_it_counts(site: Site) -> None:
    other = live_through(place_at("2018-02-01", flags=site.whole.flags[:2]), 40)
    site.shipper(other).ship()
    before = everything(other)
    with pytest.raises(RefusedByRule, match="has another history than this copy"):
        recover(other.store, DiskCopy(site.data), request())
    assert everything(other) == before
    assert other.store.read().lost is not None
    recover(other.store, DiskCopy(site.data), request(), accept=True)
    assert other.store.read().lost is None
    assert read_line(everything(other)[-1])["after"]["accepted"] == "yes"


def test_a_store_that_is_written_to_meanwhile_is_not_overwritten(site: Site) -> None:
    class Slow(DiskCopy):
        def newest(self) -> None:
            site.lost.operations.kill("wallet", request())

    with pytest.raises(RevisionConflict):
        recover(site.lost.store, Slow(site.data), request())
