"""The record leaves the store whole and in order, whatever dies; and a store that changed its mind is told."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rollout.core.audit import read_line
from rollout.core.chain import follow
from rollout.core.errors import StoreUnavailable
from rollout.service.ports import FlagStore
from rollout.service.replay import replay
from rollout.service.shipper import RecordState, Shipper, entries_after
from rollout.stores.segments import Segments, read_segments, segment_files
from tests.record.recordkit import everything, live_through, place_at
from tests.service.servicekit import Place, Wrapped


@pytest.fixture
def place() -> Place:
    return live_through(place_at("2018-02-01"), 60)


def shipper_of(place: Any, folder: Path, batch: int = 7) -> Shipper:
    store: FlagStore = place.store if isinstance(place, Place) else place
    return Shipper(store, lambda: Segments(folder), batch=batch)


def shipped(place: Any, folder: Path) -> Shipper:
    shipper = shipper_of(place, folder)
    shipper.ship()
    return shipper


def test_two_hundred_kills_of_the_shipper_lose_and_double_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.record.ship_and_die", str(tmp_path), "200", "7"]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr.decode()


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_changes_and_notes_are_read_as_one_chain(place: Place, limit: int) -> None:
    chain = follow([])
    while lines := entries_after(place.store, chain.place, limit):
        chain = follow(lines, chain)
    assert chain == follow(everything(place))


def test_each_day_has_a_file_and_the_last_alone_is_open(place: Place, tmp_path: Path) -> None:
    shipper = shipped(place, tmp_path)
    assert [path.name for path in segment_files(tmp_path)] == [
        "audit-2018-02-01.jsonl.gz",
        "audit-2018-02-02.jsonl.gz",
        "audit-2018-02-03.jsonl",
    ]
    assert list(read_segments(tmp_path)) == everything(place)
    first = (tmp_path / "audit-2018-02-01.jsonl.gz").read_bytes()
    assert {read_line(line)["at"][:10] for line in gzip.decompress(first).splitlines()} == {"2018-02-01"}
    assert (shipper.standing.state, shipper.standing.size) == (RecordState.SHIPPING, 61)


def test_a_closed_day_is_never_touched_again(place: Place, tmp_path: Path) -> None:
    shipper = shipped(place, tmp_path)
    closed = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.glob("*.gz")}
    live_through(place, 30)
    shipper.ship()
    shipped(place, tmp_path)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in closed} == closed
    assert all(path.stat().st_mode & 0o777 == 0o400 for path in closed)


def test_the_copy_alone_gives_the_state(place: Place, tmp_path: Path) -> None:
    shipped(place, tmp_path)
    assert replay(read_segments(tmp_path), Segments(tmp_path).blob) == place.state()


def test_every_version_of_the_file_and_its_members_are_kept(place: Place, tmp_path: Path) -> None:
    shipped(place, tmp_path)
    after = place.entries()[0]["after"]
    (members,) = [one.members for one in place.state().definitions.segments.values() if one.members]
    kept = {path.name for path in (tmp_path / "files").iterdir()}
    assert kept == {after["text"], after["lines"], after["definitions"], members.digest}


def test_several_servers_have_a_copy_each_of_the_same_bytes(place: Place, tmp_path: Path) -> None:
    shipped(place, tmp_path / "a")
    half = shipper_of(place, tmp_path / "b", batch=3)
    half.ship()
    for path in segment_files(tmp_path / "a"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_half_a_line_at_the_end_is_written_anew(place: Place, tmp_path: Path) -> None:
    shipped(place, tmp_path)
    path = segment_files(tmp_path)[-1]
    path.write_bytes(path.read_bytes()[:-10])
    shipped(place, tmp_path)
    assert list(read_segments(tmp_path)) == everything(place)


def test_what_a_crash_left_of_closing_a_day_is_finished(place: Place, tmp_path: Path) -> None:
    shipped(place, tmp_path)
    closed = tmp_path / "audit-2018-02-01.jsonl.gz"
    opened = closed.with_suffix("")
    opened.write_bytes(gzip.decompress(closed.read_bytes()))  # renamed, and not removed yet
    (tmp_path / "audit-2018-02-02.jsonl.gz.new").write_bytes(b"half")
    second = tmp_path / "audit-2018-02-02.jsonl.gz"
    second.with_suffix("").write_bytes(gzip.decompress(second.read_bytes()))
    second.unlink()  # not renamed yet
    shipped(place, tmp_path)
    assert list(read_segments(tmp_path)) == everything(place)
    assert not opened.exists()
    assert second.exists()


def test_a_store_that_lost_entries_is_told_and_the_copy_stays(place: Place, tmp_path: Path) -> None:
    shipped(place, tmp_path)
    told: list[Any] = []
    restored = live_through(place_at("2018-02-01"), 30)
    shipper = Shipper(restored.store, lambda: Segments(tmp_path), told.append)
    for _ in range(3):
        shipper.ship()
    assert [standing.state for standing in told] == [RecordState.BEHIND]
    assert "the store lost entries: it ends at " in (told[0].trouble or "")
    assert list(read_segments(tmp_path)) == everything(place)


@pytest.mark.parametrize("more", [60, 90])
def test_a_store_with_another_history_is_told_and_the_copy_stays(place: Place, tmp_path: Path, more: int) -> None:
    shipped(place, tmp_path)
    other = live_through(place_at("2018-02-01", flags=place.flags[:2]), more)
    shipper = shipped(other, tmp_path)
    assert shipper.standing.state is RecordState.FORKED
    assert "the store holds another history" in (shipper.standing.trouble or "")
    assert list(read_segments(tmp_path)) == everything(place)


def test_a_copy_that_was_tampered_with_is_told_and_not_added_to(place: Place, tmp_path: Path) -> None:
    shipped(place, tmp_path)
    path = segment_files(tmp_path)[-1]
    forged = path.read_bytes().replace(b"second bank", b"third bank!", 1)
    path.write_bytes(forged)
    live_through(place, 1)
    shipper = shipped(place, tmp_path)
    assert shipper.standing.state is RecordState.BROKEN
    assert path.read_bytes() == forged


def test_a_store_out_of_reach_is_no_trouble_of_the_record(place: Place, tmp_path: Path) -> None:
    away = [True]

    def hindrance(name: str, call: Any) -> Any:
        if away:
            raise StoreUnavailable("away")
        return call()

    shipper = shipped(Wrapped(place.store, hindrance), tmp_path)
    assert (shipper.standing.state, shipper.standing.trouble) == (RecordState.UNREACHED, None)
    away.clear()
    shipper.ship()
    assert shipper.standing.state is RecordState.SHIPPING


def test_a_disk_that_is_full_is_told_and_the_copy_goes_on_afterwards(place: Place, tmp_path: Path) -> None:
    full = [True]

    class Disk(Segments):
        def append(self, lines: Any) -> None:
            super().append(lines[:2])
            if full:
                raise OSError(28, "No space left on device")
            super().append(lines[2:])

    shipper = Shipper(place.store, lambda: Disk(tmp_path), batch=7)
    shipper.ship()
    assert shipper.standing.state is RecordState.UNWRITABLE
    assert "No space left" in (shipper.standing.trouble or "")
    full.clear()
    shipper.ship()
    assert shipper.standing.state is RecordState.SHIPPING
    assert list(read_segments(tmp_path)) == everything(place)
