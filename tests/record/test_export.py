"""What an auditor is handed: whole, true to the record, harmless to open, and whatever was done to it is found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rollout.cli.exporting import export
from rollout.cli.verifying import public_key, verify_export
from rollout.core.audit import canonical_line, read_line
from rollout.core.chain import entry_hash, follow, place_of, place_text
from rollout.core.errors import InvalidInput, StoreUnavailable
from rollout.core.shares import Share
from rollout.service.export.charts import people_chart
from rollout.service.export.quarters import Quarter, read_quarter
from rollout.service.export.tables import harmless
from rollout.service.export.verify import signed
from rollout.service.exposed_days import note_days
from rollout.service.shipper import Shipper
from rollout.stores.anchors import Anchors
from rollout.stores.segments import Segments, segment_files
from rollout.stores.signing import signing_key
from tests.record.exportkit import FIRST, Site, auditor_says, manifest_of, rows_of
from tests.record.recordkit import HOUR_MS, everything, live_through, place_at
from tests.service.servicekit import FLAGS, flag, request


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    site.live(200)
    wider = flag("payments", "employees", "1%", "5%", "10%", "100%")
    site.place.load(wider, *FLAGS[1:], reason="+ten <b>percent</b>")
    site.live(200)
    site.export("shown")
    return site


@pytest.fixture
def copy(site: Site, tmp_path: Path) -> Path:
    shutil.copytree(site.data / "shown", tmp_path / "copy")
    return tmp_path / "copy"


def test_the_entries_are_those_of_the_quarter_and_the_auditor_finds_that_all_holds(site: Site) -> None:
    folder = site.data / "shown"
    lines = [line for line in everything(site.place) if b'"at":"2018-0' in line and read_line(line)["at"] < "2018-04"]
    assert (folder / "entries.jsonl").read_bytes().splitlines() == lines
    assert len(rows_of(folder, "entries.csv")) == len(lines)
    assert auditor_says(folder, "--key", public_key(site.data)) == (0, "all holds \n")
    assert verify_export(folder, public_key(site.data)) == []


def test_what_the_auditor_runs_is_short_and_needs_nothing() -> None:
    source = Path(sys.modules[signed.__module__].__file__ or "").read_text()
    assert len(source.splitlines()) < 150
    imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.M))
    assert imported <= set(sys.stdlib_module_names)


def edit_entry(folder: Path, number: int, edit: Callable[[bytes], list[bytes]]) -> None:
    path = folder / "entries.jsonl"
    lines = path.read_bytes().splitlines()
    lines[number : number + 1 or None] = edit(lines[number])
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def exchange_entries(folder: Path, one: int, other: int) -> None:
    path = folder / "entries.jsonl"
    lines = path.read_bytes().splitlines()
    lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def rewrite_entries(folder: Path) -> None:
    """With care: each entry names the hash of the one before."""
    path = folder / "entries.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in chained_anew(path.read_bytes().splitlines())))


def chained_anew(lines: list[bytes]) -> list[bytes]:
    made = lines[:1]
    for line in lines[1:]:
        made.append(canonical_line(read_line(line) | {"reason": "forged", "previous": entry_hash(made[-1])}))
    return made


def forged(line: bytes) -> list[bytes]:
    return [canonical_line(read_line(line) | {"reason": "forged"})]


def rewrite_manifest(folder: Path, **more: Any) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest_of(folder) | more))


def edit_anchor(folder: Path) -> None:
    path = folder / "anchors.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"size":', b'"size":1', 1))


TAMPERED: dict[str, Callable[[Path], object]] = {
    "an entry edited": lambda folder: edit_entry(folder, 40, forged),
    "an entry deleted": lambda folder: edit_entry(folder, 40, lambda _: []),
    "an entry doubled": lambda folder: edit_entry(folder, 40, lambda line: [line, line]),
    "two entries exchanged": lambda folder: exchange_entries(folder, 40, 41),
    "the whole chain made anew": rewrite_entries,
    "the first entry deleted": lambda folder: edit_entry(folder, 0, lambda _: []),
    "the tail cut": lambda folder: edit_entry(folder, -1, lambda _: []),
    "a table edited": lambda folder: (folder / "entries.csv").write_bytes(b"place\r\n"),
    "the report edited": lambda folder: (folder / "report.html").write_bytes(b"nothing happened"),
    "a file removed": lambda folder: next((folder / "files").iterdir()).unlink(),
    "a file added": lambda folder: (folder / "files" / "more.yaml").write_bytes(b"version: 1\n"),
    "the manifest edited": lambda folder: rewrite_manifest(folder, quarter="2018Q2"),
    "another signature": lambda folder: (folder / "manifest.sig").write_text("00" * 64),
    "no signature": lambda folder: (folder / "manifest.sig").write_text(""),
    "an anchor edited": edit_anchor,
}


@pytest.mark.parametrize("what", TAMPERED)
def test_whatever_was_done_to_an_export_is_found_by_the_auditor(copy: Path, what: str) -> None:
    TAMPERED[what](copy)
    code, said = auditor_says(copy)
    assert code == 1, what
    assert "NOT AS IT WAS" in said or "not an export" in said
    assert verify_export(copy, None)


def test_the_auditor_is_told_the_entry_by_its_name_in_the_report(copy: Path) -> None:
    line = (copy / "entries.jsonl").read_bytes().splitlines()[40]
    edit_entry(copy, 40, forged)
    place = place_of(read_line((copy / "entries.jsonl").read_bytes().splitlines()[41]))
    assert b"forged" not in line
    assert f"entry {place_text(place)} does not follow the one before it" in auditor_says(copy)[1]


def test_the_auditor_may_give_the_key_as_it_comes(site: Site) -> None:
    folder, key = site.data / "shown", public_key(site.data)
    assert auditor_says(folder, "--key", key.upper())[0] == 0
    command = [sys.executable, "-I", "-S", "-B", str(folder / "verify.py"), "--key"]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, "expected one argument" in ended.stderr) == (2, True)


def test_an_export_that_was_made_anew_with_another_key_is_found_by_the_key(site: Site, copy: Path) -> None:
    thief = signing_key(copy.parent)
    raw = json.dumps(manifest_of(copy) | {"key": thief.public}).encode()
    (copy / "manifest.json").write_bytes(raw)
    (copy / "manifest.sig").write_text(thief.sign(b"rollout-export:v1\n" + raw).hex())
    code, said = auditor_says(copy, "--key", public_key(site.data))
    assert code == 1
    assert "signed with another key" in said


def test_entries_that_were_made_anew_and_signed_with_the_true_key_are_found_by_the_anchors(
    tmp_path: Path,
) -> None:
    """Whoever has the key can make a new manifest, and not what was signed of the entries at the time."""
    data = tmp_path / "data"
    data.mkdir()
    site = Site(data, place_at("2018-02-01"))
    site.live(40)
    site.live(20)
    folder = site.export("shown")
    key = signing_key(data)
    rewrite_entries(folder)
    manifest = manifest_of(folder)
    lines = (folder / "entries.jsonl").read_bytes().splitlines()
    chain = follow(lines)
    manifest["last"] |= {"hash": chain.hash, "root": chain.root}
    manifest["files"]["entries.jsonl"] = sha256((folder / "entries.jsonl").read_bytes()).hexdigest()
    raw = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(raw)
    (folder / "manifest.sig").write_text(key.sign(b"rollout-export:v1\n" + raw).hex())
    code, said = auditor_says(folder, "--key", key.public)
    assert code == 1
    assert set(re.findall("are not those that were signed|signed with another key|not as it was signed", said)) == {
        "are not those that were signed"
    }


def test_the_signature_in_plain_python_is_ed25519(tmp_path: Path) -> None:
    """The first three test vectors of RFC 8032, 7.1, and what it must refuse."""
    vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
            "c027beceea1ec40a",
        ),
    ]
    for key, message, signature in vectors:
        assert signed(key, bytes.fromhex(message), signature)
        assert not signed(key, bytes.fromhex(message) + b"x", signature)
    ours = signing_key(tmp_path)
    for message in (b"", b"x" * 1000):
        assert signed(ours.public, message, ours.sign(message).hex())


def test_the_next_export_proves_that_it_begins_with_what_this_one_showed(site: Site, tmp_path: Path) -> None:
    data = tmp_path / "data"
    later = Site(data, place_at("2018-03-01"))
    data.mkdir()
    later.live(60)
    first = manifest_of(later.export("first"))
    later.live(80, 12)
    second = later.export("second", Quarter(2018, 2))
    manifest = manifest_of(second)
    assert manifest["previous_export"] == {key: first["last"][key] for key in ("size", "root")} | {"quarter": "2018Q1"}
    assert auditor_says(second, "--key", public_key(data)) == (0, "all holds \n")
    proof = ["00" * 32, *manifest["consistency_proof"][1:]]
    raw = json.dumps(manifest | {"consistency_proof": proof}).encode()
    (second / "manifest.json").write_bytes(raw)
    (second / "manifest.sig").write_text(signing_key(data).sign(b"rollout-export:v1\n" + raw).hex())
    assert auditor_says(second)[1].count("does not begin with what the previous export showed") == 1


def test_a_quarter_in_which_nothing_happened_is_exported_too(site: Site) -> None:
    folder = site.export("empty", Quarter(2017, 3))
    assert manifest_of(folder)["entries"] == 0
    assert auditor_says(folder)[0] == 0


def test_every_version_of_the_file_that_was_in_force_is_there(site: Site) -> None:
    folder = site.data / "shown"
    versions = manifest_of(folder)["versions"]
    assert versions[0]["revision"] == 1
    assert len(versions) == 2
    texts = [(folder / version["file"]).read_text() for version in versions]
    assert "'10%'" in texts[1]
    assert "'10%'" not in texts[0]


def test_who_let_more_people_have_it_is_listed(site: Site) -> None:
    rows = rows_of(site.data / "shown", "approvals.csv")
    assert {(row["approved by"], row["how"]) for row in rows} == {("amit", "in person")}
    assert {"payments", "wallet"} == {row["flag"] for row in rows}


def test_no_cell_is_a_formula(site: Site) -> None:
    for name in ("entries.csv", "approvals.csv", "trips.csv", "exposed.csv"):
        for row in rows_of(site.data / "shown", name):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())
    reasons = {row["reason"] for row in rows_of(site.data / "shown", "entries.csv")}
    assert "'=1+1" in reasons
    assert harmless("@SUM(1)") == "'@SUM(1)"
    assert harmless("first bank") == "first bank"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "onload", "onclick")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_loads_nothing_runs_nothing_and_says_what_happened(site: Site) -> None:
    text = (site.data / "shown" / "report.html").read_text()
    page, said = Page(text), text
    assert "script" not in page.tags
    assert page.loads == []
    assert page.tags.count("svg") == len(["payments", "plain", "wallet"])
    assert "Record of 2018Q1" in page.words
    assert "&lt;b&gt;percent&lt;/b&gt;" in said
    assert "<b>percent</b>" not in said
    assert manifest_of(site.data / "shown")["last"]["root"] in said


def test_an_export_is_itself_an_entry(site: Site) -> None:
    (note, *_) = [
        entry for entry in map(read_line, site.place.store.notes(limit=10**6)) if "manifest" in entry["after"]
    ]
    assert (note["action"], note["reason"]) == ("export", "for the regulator")
    assert note["after"]["root"] == manifest_of(site.data / "shown")["last"]["root"]


def test_an_export_that_cannot_be_noted_is_not_made(site: Site) -> None:
    class Away(Site):
        def note_export(self, about: dict[str, Any], asked: Any) -> None:
            raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        Away(site.data, site.place).export("unnoted")
    assert not (site.data / "unnoted").exists()


def test_a_folder_that_has_something_in_it_is_left_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(InvalidInput, match="is there already, and not empty"):
        export(site, FIRST, tmp_path / "full", site.data, "")  # type: ignore[arg-type]
    assert (tmp_path / "full" / "mine").read_text() == "mine"


def test_a_record_that_does_not_hold_is_not_exported(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    site = Site(data)
    site.live(40)
    segment_files(data / "audit")[0].unlink()
    with pytest.raises(StoreUnavailable, match="the record does not hold"):
        site.export("broken", Quarter(2017, 4))
    assert not (data / "broken").exists()


@pytest.mark.parametrize("what", ["rewritten", "cut"])
def test_a_record_that_is_not_what_was_signed_is_not_exported(tmp_path: Path, what: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    site = Site(data, place_at("2018-02-01"))
    site.live(20, 1)
    (segment,) = segment_files(data / "audit")
    lines = segment.read_bytes().splitlines()
    changed = chained_anew(lines) if what == "rewritten" else lines[:-2]
    segment.write_bytes(b"".join(line + b"\n" for line in changed))
    with pytest.raises(StoreUnavailable, match=r"not those that were signed|its tail was cut off"):
        site.export("broken")
    assert not (data / "broken").exists()


def test_spans_without_an_anchor_are_said(site: Site, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    data = tmp_path / "data"
    data.mkdir()
    quiet = Site(data, place_at("2018-02-01"))
    live_through(quiet.place, 3)
    shipper = Shipper(quiet.place.store, lambda: Segments(data / "audit"))
    shipper.ship()
    assert shipper.chain is not None
    for hour in (4, 5, 9):
        at = datetime(2018, 2, 1, hour, tzinfo=UTC)
        Anchors(data / "audit", signing_key(data), lambda at=at: at).add(shipper.chain)  # type: ignore[misc]
    gaps = manifest_of(quiet.export("shown"))["gaps"]
    assert gaps == [{"from": "2018-02-01T05:00:00.000Z", "to": "2018-02-01T09:00:00.000Z"}]


@pytest.mark.parametrize("text", ["2018", "2018Q5", "Q1", "18Q1", "2018Q1x", ""])
def test_what_is_no_quarter_is_said(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a quarter"):
        read_quarter(text)


def test_a_quarter_ends_where_the_next_begins() -> None:
    assert read_quarter("2018q4").ends == Quarter(2019, 1).begins
    assert len(Quarter(2020, 1).days) == 91


def test_people_who_were_served_a_flag_are_listed_and_drawn_by_the_day(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    site = Site(data, place_at("2018-03-30"))
    for day, count in (("2018-03-30", 700), ("2018-03-31", 1500), ("2018-04-01", 9)):
        hashes = [b"person %d" % number for number in range(count)]
        site.place.store.expose(day, {"key/payments": hashes, "key/wallet": hashes[:3]})
    site.live(1, 12)
    site.place.now_ms += 72 * HOUR_MS
    assert note_days(site.place.store, site.place.operations, "a:8080") == ["2018-03-30", "2018-03-31", "2018-04-01"]
    site.live(1)
    folder = site.export("shown")
    assert (folder / "exposed.csv").read_text("utf-8-sig").splitlines() == [
        'day,flag,"people, about",hashed with so many keys',
        "2018-03-30,payments,700,1",
        "2018-03-30,wallet,3,1",
        "2018-03-31,payments,1500,1",
        "2018-03-31,wallet,3,1",
    ]
    report = (folder / "report.html").read_text()
    assert "2018-03-31: about 1,500 people" in report
    assert "2018-04-01: about" not in report
    assert auditor_says(folder)[0] == 0


def test_people_are_drawn_where_they_were_counted() -> None:
    assert people_chart(FIRST, "payments", {}) == ""
    assert people_chart(FIRST, "payments", {"2018-02-13": 1234, "2018-02-14": 2}).count("<rect") == 2


def test_a_whole_quarter_with_a_change_every_half_hour_is_exported(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    busy = Site(data, place_at("2018-01-01"))
    live_through(busy.place, 4000, HOUR_MS // 2)
    busy.place.operations.set_share("wallet", Share.parse("100%"), request("the end"))
    busy.live(1)
    folder = busy.export("shown")
    assert manifest_of(folder)["entries"] > 4000
    assert auditor_says(folder)[0] == 0
