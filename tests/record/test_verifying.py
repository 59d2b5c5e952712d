"""Whatever was done to a record is found, and the first bad entry is named."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.cli.verifying import public_key, verify_folder
from rollout.core.audit import canonical_line, read_line
from rollout.core.chain import entry_hash
from rollout.core.errors import InvalidInput, StoreUnavailable
from rollout.service.shipper import Shipper
from rollout.stores.anchors import ANCHORS_FILE, Anchors, read_anchors
from rollout.stores.disk import DiskSnapshot
from rollout.stores.segments import Segments, segment_files
from rollout.stores.signing import KEY_FILE, signing_key
from tests.record.recordkit import everything, live_through, place_at
from tests.service.servicekit import Place


class Site:
    """A data folder with a record of five days, anchored every seventh entry, and the state in force."""

    def __init__(self, data: Path) -> None:
        data.mkdir(exist_ok=True)
        self.data, self.folder = data, data / "audit"
        self.now = datetime(2018, 2, 1, tzinfo=UTC)
        self.place: Place = place_at("2018-02-01")
        self.anchors = Anchors(self.folder, signing_key(data), lambda: self.now)
        self.shipper = Shipper(self.place.store, lambda: Segments(self.folder))
        for _ in range(15):
            live_through(self.place, 7)
            self.ship()
        self.keep_state()

    def ship(self) -> None:
        self.now += timedelta(hours=7)
        self.shipper.ship()
        assert self.shipper.chain is not None
        self.anchors.keep(self.shipper.chain)

    def keep_state(self) -> None:
        members = [one.members.digest for one in self.place.state().definitions.segments.values() if one.members]
        DiskSnapshot(self.data, "a store").write(self.place.store.read(), members, self.place.store.blob)

    def lines(self) -> list[bytes]:
        return everything(self.place)

    def rewrite(self, lines: list[bytes]) -> None:
        """Puts these in the place of the record, day by day, as it would have been written."""
        for path in segment_files(self.folder):
            path.unlink()
        days = sorted({read_line(line)["at"][:10] for line in lines})
        for day in days:
            content = b"".join(line + b"\n" for line in lines if read_line(line)["at"][:10] == day)
            path = self.folder / f"audit-{day}.jsonl"
            if day == days[-1]:
                path.write_bytes(content)
            else:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))

    def found(self, **more: str | Path | None) -> tuple[str, str | None]:
        verified = verify_folder(self.folder, **{"anchors": None, "key": None, **more})
        return "; ".join(verified.faults), verified.first_bad


def chained_anew(lines: list[bytes], edit: Callable[[int, dict], dict]) -> list[bytes]:
    """The whole chain, made with care so that every hash fits."""
    made: list[bytes] = []
    for number, line in enumerate(lines):
        entry = edit(number, read_line(line))
        if made:
            entry["previous"] = entry_hash(made[-1])
        made.append(canonical_line(entry))
    return made


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_record_that_nobody_touched_holds(site: Site) -> None:
    verified = verify_folder(site.folder, None, public_key(site.data))
    assert (verified.faults, verified.chain.size, verified.anchors) == ((), 106, 15)
    assert verified.replayed_to == site.place.store.revision()


def test_an_edit_is_found_in_any_entry(site: Site) -> None:
    lines = site.lines()
    for number in (0, 1, 50, len(lines) - 2):
        edited = [*lines]
        edited[number] = canonical_line(read_line(lines[number]) | {"reason": "forged"})
        site.rewrite(edited)
        said, first_bad = site.found()
        place = read_line(lines[number])
        assert first_bad == (f"{place['revision']}.{place['note']}" if "note" in place else str(place["revision"])), (
            said
        )


def test_an_edit_of_the_last_entry_is_found_by_its_anchor(site: Site) -> None:
    lines = site.lines()
    site.rewrite([*lines[:-1], canonical_line(read_line(lines[-1]) | {"reason": "forged"})])
    said, _ = site.found()
    assert "are not those that were signed at" in said


def test_a_deletion_a_repetition_and_a_reordering_are_found(site: Site) -> None:
    lines = site.lines()
    for forged in (
        [*lines[:40], *lines[41:]],
        [*lines[:41], *lines[40:]],
        [*lines[:40], lines[41], lines[40], *lines[42:]],
        lines[1:],
    ):
        site.rewrite(forged)
        said, first_bad = site.found()
        assert said
        assert first_bad


def test_a_day_that_is_gone_is_found(site: Site) -> None:
    segment_files(site.folder)[1].unlink()
    said, first_bad = site.found()
    assert "entries are missing between" in said
    assert first_bad == str(read_line(next(line for line in site.lines() if b'"at":"2018-02-03' in line))["revision"])


def test_a_compressed_day_that_is_damaged_is_found(site: Site) -> None:
    path = segment_files(site.folder)[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    assert "audit-2018-02-02.jsonl.gz is damaged" in site.found()[0]


def test_a_tail_that_was_cut_off_is_found(site: Site) -> None:
    lines = site.lines()
    for cut in (1, 3, 8, 60):
        site.rewrite(lines[:-cut])
        said, first_bad = site.found()
        assert "its tail was cut off" in said
        assert first_bad


def test_a_tail_that_was_never_anchored_is_missed_by_the_state_in_force(site: Site) -> None:
    live_through(site.place, 5, every_ms=60_000)
    site.shipper.ship()
    site.keep_state()
    assert site.found() == ("", None)
    lines = site.lines()
    site.rewrite(lines[:-5])
    assert "and the state in force is of" in site.found()[0]


def test_a_whole_chain_that_was_rewritten_with_care_is_found_by_the_anchors(site: Site) -> None:
    def edit(number: int, entry: dict) -> dict:
        return entry | {"actor": {**entry["actor"], "id": "somebody-else"}} if number >= 30 else entry

    site.rewrite(chained_anew(site.lines(), edit))
    said, first_bad = site.found()
    assert "the chain was rewritten" in said
    signed = [anchor for anchor in read_anchors(site.folder / ANCHORS_FILE) if anchor.size <= 30][-1]
    assert first_bad is not None
    assert str(signed.place[0]) in first_bad


def test_a_chain_that_was_rewritten_is_found_also_where_the_anchors_were_removed(site: Site) -> None:
    rewritten = chained_anew(
        site.lines(), lambda number, entry: entry | {"reason": "forged"} if number >= 30 else entry
    )
    path = site.folder / ANCHORS_FILE
    early = [anchor for anchor in read_anchors(path) if anchor.size <= 30]
    for left in (early, []):
        site.rewrite(rewritten)
        path.write_bytes(b"".join(anchor.line() + b"\n" for anchor in left))
        said, first_bad = site.found()
        assert "anchors were removed, or no server signed for so long" in said
        assert first_bad == ("25.1 or 26" if left else "1")


def test_a_key_that_was_replaced_is_found(site: Site) -> None:
    key = public_key(site.data)
    (site.data / KEY_FILE).unlink()
    signing_key(site.data)
    assert "is signed with another key" in site.found()[0]
    assert "and so are 14 more" in site.found()[0]
    assert f"the key in {site.data} is another one" in site.found(key=key)[0]
    Anchors(site.folder, signing_key(site.data)).add(Segments(site.folder).chain)
    (site.data / KEY_FILE).unlink()
    assert "is signed with another key" in site.found()[0]  # by the first of them


def test_what_is_no_anchor_is_found(site: Site) -> None:
    path = site.folder / ANCHORS_FILE
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    assert "b'nonsense' is not an anchor" in site.found()[0]


def test_anchors_that_were_made_anew_are_found_by_those_kept_elsewhere_and_by_the_key(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = public_key(site.data)
    kept = tmp_path_factory.mktemp("mailed") / "anchors.jsonl"
    (site.folder / ANCHORS_FILE).rename(kept)
    site.rewrite(chained_anew(site.lines(), lambda _, entry: entry | {"reason": "forged"}))
    (site.data / "snapshot.json").unlink()
    (site.data / KEY_FILE).unlink()
    Anchors(site.folder, signing_key(site.data)).add(Segments(site.folder).chain)
    assert site.found() == ("", None)  # all that is here fits together
    assert "is signed with another key" in site.found(key=key)[0]
    assert "the chain was rewritten" in site.found(anchors=kept)[0]


def test_an_anchor_that_was_edited_is_found(site: Site) -> None:
    path = site.folder / ANCHORS_FILE
    first, *rest = read_anchors(path)
    path.write_bytes(b"".join(anchor.line() + b"\n" for anchor in (replace(first, root="0" * 64), *rest)))
    assert "is not as it was signed" in site.found()[0]


def test_entries_that_do_not_give_the_state_in_force_are_found(site: Site) -> None:
    other = live_through(Site(site.data / "other").place, 1)
    DiskSnapshot(site.data, "a store").write(
        replace(other.store.read(), revision=site.place.store.revision()), [], other.store.blob
    )
    assert "do not give the state in force" in site.found()[0]


def test_anchors_are_made_each_hour_and_survive_half_a_line(site: Site) -> None:
    path = site.folder / ANCHORS_FILE
    assert len(read_anchors(path)) == 15
    again = Anchors(site.folder, signing_key(site.data), lambda: site.now + timedelta(minutes=59))
    again.keep(Segments(site.folder).chain)
    assert len(read_anchors(path)) == 15
    path.write_bytes(path.read_bytes()[:-20])
    assert len(read_anchors(path)) == 14
    again.add(Segments(site.folder).chain)
    assert len(read_anchors(path)) == 15


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first, again = signing_key(tmp_path), signing_key(tmp_path)
    assert first.public == again.public == public_key(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / KEY_FILE).write_text("nonsense")
    with pytest.raises(StoreUnavailable, match="is not a private key"):
        signing_key(tmp_path)
    with pytest.raises(InvalidInput, match="there is no key"):
        public_key(tmp_path / "elsewhere")
