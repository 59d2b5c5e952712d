"""What a server keeps in its data folder: whole or not at all, and for the store that it came from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.core.errors import StoreUnavailable
from rollout.core.members import digest_of
from rollout.service.ports import Stored
from rollout.stores.disk import DiskSnapshot, HandledFile, owned, write_whole
from rollout.stores.subjects import KEY_BYTES, SUBJECTS_FILE, subjects_key

STORED = Stored(7, 1000, 1000, b'{"a": "\xc3\xa6"}', {"payments": b'{"n":1}', "other": b"{}"})
LISTS = {digest_of(content): content for content in (b"one", b"two")}
ONE, TWO = LISTS


def kept(folder: Path, origin: str = "embedded") -> DiskSnapshot:
    return DiskSnapshot(folder, origin)


def test_a_snapshot_is_read_as_it_was_written(tmp_path):
    kept(tmp_path).write(STORED, [ONE, TWO], LISTS.get)
    assert kept(tmp_path).read() == STORED
    assert [kept(tmp_path).blob(digest) for digest in LISTS] == [b"one", b"two"]


def test_a_store_that_was_never_written_is_kept_as_such(tmp_path):
    nothing = Stored(0, 0, 0, None, {})
    kept(tmp_path).write(nothing, [], LISTS.get)
    assert kept(tmp_path).read() == nothing


def test_a_snapshot_of_another_store_is_not_read(tmp_path):
    kept(tmp_path, "redis-1:6379").write(STORED, [], LISTS.get)
    assert kept(tmp_path, "redis-2:6379").read() is None


def test_nothing_is_read_where_nothing_was_written(tmp_path):
    assert kept(tmp_path).read() is None
    assert kept(tmp_path).blob(ONE) is None


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: content + b" "])
def test_what_is_damaged_is_not_read(tmp_path, damage):
    kept(tmp_path).write(STORED, [ONE], LISTS.get)
    for path in (tmp_path / "snapshot.json", tmp_path / "members" / ONE):
        path.write_bytes(damage(path.read_bytes()))
    assert kept(tmp_path).read() is None
    assert kept(tmp_path).blob(ONE) is None


def test_a_member_list_is_asked_for_once_and_removed_when_it_is_no_longer_needed(tmp_path):
    asked = []

    def blob(digest: str) -> bytes | None:
        asked.append(digest)
        return LISTS.get(digest)

    kept(tmp_path).write(STORED, [ONE], blob)
    kept(tmp_path).write(STORED, [ONE, TWO], blob)
    kept(tmp_path).write(STORED, [TWO], blob)
    assert asked == [ONE, TWO]
    assert [path.name for path in (tmp_path / "members").iterdir()] == [TWO]


def test_without_all_member_lists_the_snapshot_before_stays(tmp_path):
    kept(tmp_path).write(STORED, [ONE], LISTS.get)
    with pytest.raises(StoreUnavailable):
        kept(tmp_path).write(Stored(8, 0, 0, None, {}), [TWO], lambda digest: None)
    assert kept(tmp_path).read() == STORED
    assert kept(tmp_path).blob(ONE) == b"one"


def test_a_write_that_was_cut_short_leaves_what_was_there(tmp_path):
    write_whole(tmp_path / "file", b"old")
    (tmp_path / "file.new").write_bytes(b"ne")  # as a crash would leave it
    assert (tmp_path / "file").read_bytes() == b"old"
    write_whole(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_file_that_was_handled_last_is_known_after_a_restart(tmp_path):
    handled = HandledFile(tmp_path, "embedded")
    assert handled.digest is None
    handled.remember("abc")
    assert HandledFile(tmp_path, "embedded").digest == "abc"
    assert HandledFile(tmp_path, "another store").digest is None


def test_a_damaged_memory_is_forgotten(tmp_path):
    HandledFile(tmp_path, "embedded").remember("abc")
    (tmp_path / "handled.json").write_text("{")
    assert HandledFile(tmp_path, "embedded").digest is None


def test_one_service_at_a_time_has_a_folder(tmp_path):
    with owned(tmp_path / "data"), pytest.raises(StoreUnavailable) as taken, owned(tmp_path / "data"):
        pass
    assert f"in use by process {os.getpid()}" in taken.value.message
    with owned(tmp_path / "data"):
        pass


def test_the_folder_of_a_killed_service_is_free(tmp_path):
    program = (
        "import os, sys, pathlib, signal; from rollout.stores.disk import owned\n"
        "with owned(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    with owned(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot be used"), owned(tmp_path / "file"):
        pass


def test_the_key_of_targeting_keys_is_made_once_and_for_its_owner_alone(tmp_path):
    first = subjects_key(tmp_path)
    assert (len(first), subjects_key(tmp_path)) == (KEY_BYTES, first)
    assert (tmp_path / SUBJECTS_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / SUBJECTS_FILE).unlink()
    assert subjects_key(tmp_path) != first


@pytest.mark.parametrize("content", ["", "nonsense", "00" * 31, "ü" * 64])
def test_a_key_that_is_none_is_said_and_nobody_waits_for_an_answer_because_of_it(tmp_path, caplog, content):
    (tmp_path / SUBJECTS_FILE).write_text(content)
    assert len(subjects_key(tmp_path)) == KEY_BYTES
    assert "subjects.key is not a key of 32 bytes in hex" in caplog.text
    assert (tmp_path / SUBJECTS_FILE).read_text() == content
