"""Logging out as the service keeps it: in the record, for every server, also from what is kept on disk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from rollout.core.sessions import LASTS
from rollout.service.follower import Follower
from rollout.service.operations import moment_of
from rollout.service.replay import replay
from rollout.service.sessions import CLOCKS_DIFFER, SessionDesk
from rollout.service.snapshot import empty_snapshot, take_snapshot
from rollout.stores.disk import DiskSnapshot
from tests.service.servicekit import Place, request


def test_what_was_logged_out_of_is_in_the_record_and_can_be_replayed() -> None:
    place = Place()
    desk, now = SessionDesk(place.operations), moment_of(place.store.read([])).at
    answer = desk.end("k1.1", now + timedelta(minutes=1), request())
    assert answer["changed"] and answer["revision"] == place.state().revision
    assert not desk.end("k1.1", now + timedelta(minutes=1), request())["changed"]
    place.now_ms += (CLOCKS_DIFFER + timedelta(minutes=2)) // timedelta(milliseconds=1)
    desk.end("k2.1", now + LASTS, request())
    place.operations.kill("payments", request())
    assert place.state().ended == {"k2.1": now + LASTS + CLOCKS_DIFFER}
    assert replay(place.lines(), place.store.blob) == place.state()
    assert [entry["action"] for entry in place.entries()[1:]] == ["log_out", "log_out", "kill"]


def test_a_server_that_starts_without_the_store_knows_it(tmp_path: Path) -> None:
    place = Place()
    now = moment_of(place.store.read([])).at
    SessionDesk(place.operations).end("k1.1", now + LASTS, request())
    kept = DiskSnapshot(tmp_path, "here")
    follower = Follower(place.store)
    follower.follow(timedelta(0))
    kept.write(place.store.read(), follower.current.members, place.store.blob)
    stored = kept.read()
    assert stored is not None
    assert list(take_snapshot(stored, kept.blob, empty_snapshot()).state.ended) == ["k1.1"]
