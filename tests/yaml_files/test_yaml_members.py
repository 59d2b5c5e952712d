"""Member lists: what may be in them, and where they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.core.errors import InvalidFile, InvalidInput
from rollout.core.members import PackedMembers
from rollout.yaml_files.members import MAX_KEYS
from rollout.yaml_files.reader import read_file, read_text

FLAGS = "version: 1\nsegments:\n  a:\n    description: A\n    members: { file: lists/a.txt }\nflags: {}\n"


def packed(content: bytes) -> PackedMembers:
    file = read_text(FLAGS, load_members=lambda _: content)
    (only,) = file.members.values()
    return PackedMembers(only)


def said(content: bytes) -> list[str]:
    with pytest.raises(InvalidFile) as refusal:
        read_text(FLAGS, name="conf/flags.yaml", load_members=lambda _: content)
    return [str(problem) for problem in refusal.value.problems]


def test_a_list_is_read_line_by_line() -> None:
    members = packed("\ufeff# people\nu-1\n\n  \nu-2  \r\n\tu 3\n#u-4\nभारत 🎉\nu-1".encode())
    assert members.count == 4
    assert all(key in members for key in ("u-1", "u-2", "u 3", "भारत 🎉"))
    assert not any(key in members for key in ("", "u-4", "#u-4", "# people", "u-2  "))


def test_a_broken_line_is_told_with_its_number() -> None:
    content = b"u-1\nu-2\tSBI\n# fine: \x01\n" + b"k" * 1_025 + b"\n" + "क".encode() * 400 + b"\nu\x00\n"
    assert said(content) == [
        "conf/lists/a.txt:2:4: error: the control character U+0009 in a key; write one key a line",
        "conf/lists/a.txt:4:1: error: a key of more than 1,024 bytes; write one key a line",
        "conf/lists/a.txt:5:1: error: a key of more than 1,024 bytes; write one key a line",
        "conf/lists/a.txt:6:2: error: the control character U+0000 in a key; write one key a line",
    ]


def test_a_key_of_one_kibibyte_is_not_too_long() -> None:
    assert "क" * 341 + "k" in packed(("क" * 341 + "k").encode())


def test_a_file_of_another_kind_brings_few_problems() -> None:
    assert len(said(b"a\tb\n" * 1_000)) == 20


def test_what_is_not_utf8_is_told_where_the_list_is_named() -> None:
    assert said(b"u-1\nu-\xff\n") == [
        "conf/flags.yaml:5:22: error: 'lists/a.txt' is not UTF-8 on line 2; save it as UTF-8"
    ]


def test_a_million_keys_are_the_most() -> None:
    keys = b"".join(b"%x\n" % number for number in range(MAX_KEYS + 1))
    assert said(keys) == ["conf/flags.yaml:5:22: error: 'lists/a.txt' has 1,000,001 keys; a list has at most 1,000,000"]


def test_a_loader_may_refuse_in_its_own_words() -> None:
    def load(file: str) -> bytes:
        raise InvalidInput(f"{file} did not come along", "send it too")

    with pytest.raises(InvalidFile) as refusal:
        read_text(FLAGS, load_members=load)
    assert str(refusal.value.problems[0]) == "flags.yaml:5:22: error: lists/a.txt did not come along; send it too"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../a.txt", "lists/../../a.txt", "..", "C:/a.txt", "lists\\\\a.txt", "C:a.txt", "a\\0b", " "],
)
def test_a_list_outside_of_the_folder_is_never_loaded(path: str) -> None:
    def load(file: str) -> bytes:
        raise AssertionError(f"loaded {file}")

    with pytest.raises(InvalidFile) as refusal:
        read_text(FLAGS.replace("lists/a.txt", f'"{path}"'), load_members=load)
    assert refusal.value.problems[0].line == 5


def test_lists_are_found_beside_the_flags_file(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.txt").write_text("u-1\n")
    (tmp_path / "flags.yaml").write_text(FLAGS)
    assert read_file(tmp_path / "flags.yaml").definitions.segments["a"].members.count == 1


def test_what_is_no_file_is_told_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "lists" / "a.txt").mkdir(parents=True)
    (tmp_path / "flags.yaml").write_text(FLAGS)
    with pytest.raises(InvalidFile) as refusal:
        read_file(tmp_path / "flags.yaml")
    assert refusal.value.problems[0].message == "'a.txt' is not a file"


@pytest.mark.parametrize("name", ["missing.yaml", "folder", "loop", "dangling", "a\0b"])
def test_a_flags_file_that_cannot_be_read_is_a_problem_like_any_other(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(InvalidFile) as refusal:
        read_file(tmp_path / name)
    assert refusal.value.problems[0].message.startswith("the file cannot be read: ")
