"""Words and their positions, and what is refused before anybody asks what the file means."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml_corpus import GOOD

from rollout.core.errors import InvalidFile
from rollout.yaml_files.nodes import ListNode, MapNode, Node, Scalar, parse
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.source import MAX_BYTES, Source, source_of


def tree(text: str | bytes) -> tuple[Source, Node]:
    read = source_of(text, "flags.yaml")
    notes = Notes(read)
    root = parse(read, notes)
    assert not notes.errors, notes.errors
    assert root is not None
    return read, root


def walk(node: Node) -> Iterator[Node]:
    """The node and everything in it, keys too, in the order of the file."""
    todo: list[Node] = [node]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ListNode):
            todo.extend(reversed(node.items))
        elif isinstance(node, MapNode):
            todo.extend(part for entry in reversed([*node.entries.values()]) for part in reversed(entry))


def complaint(text: str | bytes) -> str:
    """The first problem, as it is told."""
    try:
        notes = Notes(source_of(text, "flags.yaml"))
    except InvalidFile as invalid:
        return str(invalid.problems[0])
    parse(notes.source, notes)
    return str(notes.errors[0])


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "NO", "1.10", "22:22", "0o7", "1_000", "2024-01-01", ".inf"]
)
def test_a_plain_word_keeps_its_letters(word: str) -> None:
    _, root = tree(f"{word}: {word}")
    assert isinstance(root, MapNode)
    assert root.value(word) == Scalar(word, "", len(word) + 2, 2 * len(word) + 2)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_positions_count_characters_whatever_the_letters_and_the_line_ends(end: str) -> None:
    text = end.join(["# भुगतान 🎉", "नाम: 👋🏽 abc", "k: 'ünï'  # 💸", "l: [𝒂, b]"])
    read, root = tree(text)
    written = {node.text: read.text[node.start : node.end] for node in walk(root) if isinstance(node, Scalar)}
    assert written == {"नाम": "नाम", "👋🏽 abc": "👋🏽 abc", "k": "k", "ünï": "'ünï'", "l": "l", "𝒂": "𝒂", "b": "b"}
    places = {node.text: read.position(node.start) for node in walk(root) if isinstance(node, Scalar)}
    assert places["👋🏽 abc"] == (2, 6)
    assert places["b"] == (4, 8)


def test_a_byte_order_mark_moves_nothing() -> None:
    read, root = tree("\ufeffa: b".encode())
    assert read.text == "a: b"
    assert read.position(root.start) == (1, 1)


def test_a_collection_ends_where_its_last_word_ends() -> None:
    read, root = tree("a:\n  b: [1, 2]   # comment\n\n# more\nc:\n  - d\n  # still more\ne: {}\n")
    assert isinstance(root, MapNode)
    assert {key: read.text[value.start : value.end] for key, (_, value) in root.entries.items()} == {
        "a": "b: [1, 2]",
        "c": "- d",
        "e": "{}",
    }


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff")
)


@given(st.lists(st.tuples(WORDS, WORDS), unique_by=lambda pair: pair[0]))
def test_text_in_quotes_comes_back_from_its_positions(pairs: list[tuple[str, str]]) -> None:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    lines = [f"{quoted('k' + key)}: {quoted(value)}  # {value}" for key, value in pairs]
    read, root = tree("\n".join(["first: 1", *lines]))
    assert isinstance(root, MapNode)
    for key, value in pairs:
        word, node = root.entries["k" + key]
        assert read.text[word.start : word.end] == quoted("k" + key)
        assert read.text[node.start : node.end] == quoted(value)


def test_every_word_of_the_corpus_stands_where_its_position_says() -> None:
    for path in GOOD:
        read, root = tree(path.read_bytes())
        plain = [node for node in walk(root) if isinstance(node, Scalar) and not node.style and "\n" not in node.text]
        assert all(read.text[node.start : node.end] == node.text for node in plain), path.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "flags.yaml:1:1: error: the file is empty; begin with: version: 1"),
        ("\n\n# x", "flags.yaml:1:1: error: the file is empty; begin with: version: 1"),
        (b"a: \xff", "flags.yaml:1:4: error: the byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: ü".encode("utf-16"), "flags.yaml:1:1: error: the byte 0xff is not UTF-8; save the file as UTF-8"),
        ("नाम: b".encode()[:2], "flags.yaml:1:1: error: the byte 0xe0 is not UTF-8; save the file as UTF-8"),
        ("a: \0", "flags.yaml:1:4: error: the invisible character U+0000; take it out"),
        ("a: b\n\x1b[31m", "flags.yaml:2:1: error: the invisible character U+001B; take it out"),
        ("a: b\u2028c: d", "flags.yaml:1:5: error: the invisible character U+2028; take it out"),
        ("a: \ud800", "flags.yaml:1:4: error: the invisible character U+D800; take it out"),
        ("a: b\n...\n%TAG ! x", "flags.yaml:3:1: error: the file has a second document; one file holds one"),
        ("a: b\r---\rc: d", "flags.yaml:2:1: error: the file has a second document; one file holds one"),
    ],
)
def test_what_is_no_text_is_refused_where_it_is(text: str | bytes, said: str) -> None:
    assert complaint(text).startswith(said)


def test_a_file_that_is_too_large_is_refused_before_it_is_read() -> None:
    assert "the file has more than 50 MB" in complaint(b"\xff" * (MAX_BYTES + 1))
    assert "the file has more than 50 MB" in complaint("\0" * (MAX_BYTES + 1))


def test_a_file_of_too_many_values_is_refused() -> None:
    notes = Notes(Source("flags.yaml", "- a\n" * 300))
    assert parse(notes.source, notes, most=100) is None
    assert [problem.message for problem in notes.errors] == ["the file has more than 100 values"]


BILLION_LAUGHS = "\n".join(
    ["a0: &a0 [x]", *(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 10))]
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 20_000, "nested more than 50 levels deep"),
        ("{" * 20_000, "nested more than 50 levels deep"),
        ("- " * 20_000, "nested more than 50 levels deep"),
        ("? " * 20_000, "nested more than 50 levels deep"),
        ("{a: " * 20_000, "nested more than 50 levels deep"),
        ("[a, " * 20_000, "nested more than 50 levels deep"),
        ("".join(" " * level + "a:\n" for level in range(2_000)), "nested more than 50 levels deep"),
        ("a: " + "[" * 20_000 + "]" * 20_000, "nested more than 50 levels deep"),
        (BILLION_LAUGHS, "anchors are not used here"),
        ("%TAG !a! tag:x\n" * 100_000 + "--- a", "directives (%YAML, %TAG) are not used here"),
        ("a: b\n...\n" + "%TAG !a! tag:x\n" * 100_000 + "--- a", "the file has a second document"),
        ("---\n" * 100_000, "the file has a second document"),
    ],
    ids=range(12),
)
def test_a_hostile_file_is_refused_in_words_and_without_endless_work(text: str, said: str) -> None:
    start = time.process_time()
    assert said in complaint(text)
    assert time.process_time() - start < 60  # work that grows with the square of the file takes minutes


def test_fifty_levels_are_not_too_deep() -> None:
    _, root = tree("[" * 50 + "]" * 50)
    assert isinstance(root, ListNode)
