"""Whatever a file holds, the answer is what it says or InvalidFile."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_yaml_corpus import core
from yaml_corpus import BROKEN, GOOD, load_members

from rollout.core.definitions import Definitions
from rollout.core.errors import InvalidFile
from rollout.core.flags import Split
from rollout.core.segments import EVERYONE
from rollout.yaml_files.nodes import parse
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.problems import as_github, as_text
from rollout.yaml_files.reader import read_text
from rollout.yaml_files.schema import schema
from rollout.yaml_files.source import Source

TEXTS = [path.read_bytes() for path in (*GOOD, *BROKEN) if path.stat().st_size < 10_000]
PIECES = sorted({word for text in TEXTS for word in text.split()})
SIGNS = [
    *b"{}[],?|#%&*!\t",
    b": ",
    b"- ",
    b"\n",
    b"\n  ",
    b"\n    ",
    b"&a ",
    b"*a",
    b"!!x ",
    b"'",
    b'"',
    b">-",
    b"<<: ",
]
ODD = [b"---\n", b"\xff", b"\x00", b"null", b"1e999", "💸".encode()]
SCRAPS = st.sampled_from([*PIECES, *(sign if isinstance(sign, bytes) else bytes([sign]) for sign in SIGNS), *ODD])
VALIDATOR = Draft202012Validator(schema())
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_anything(content: str | bytes) -> None:
    """Reads, and tells every problem in every way; what is accepted hangs together."""
    try:
        file = read_text(content, load_members=load_members)
    except InvalidFile as invalid:
        assert invalid.problems
        for problem in invalid.problems:
            assert problem.line >= 1
            assert problem.column >= 1
            assert "\n" not in str(problem)
        for told in (as_text, as_github):
            assert told(invalid.problems)
    else:
        check_whole(file.definitions)


def check_whole(definitions: Definitions) -> None:
    """Nothing was left out on the way and nothing speaks of what is not there."""
    for segment in definitions.segments.values():
        assert segment.members or segment.matches
        assert all(match.conditions for match in segment.matches)
    for flag in definitions.flags.values():
        assert flag.off is None or flag.off in flag.variants
        assert all(rule.match.conditions for rule in flag.rules)
        for serving in (flag.on, *(rule.serve for rule in flag.rules)):
            served = [name for name, _ in serving.shares] if isinstance(serving, Split) else [serving]
            assert set(served) <= set(flag.variants)
        assert set(flag.requires) <= set(definitions.flags)
        assert flag.rollout is None or flag.rollout.stages
        assert {stage.audience for stage in flag.stages} <= {EVERYONE, *definitions.segments}
        assert {guard for stage in flag.stages for guard in stage.guards} <= set(definitions.guards)


@MANY
@given(st.text())
@example("a: \ud800")
@example("? ")
@example("!")
@example("- &")
@example("{? }")
def test_any_text_is_read_or_refused(text: str) -> None:
    read_anything(text)


@MANY
@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    read_anything(content)


@MANY
@given(st.lists(SCRAPS).map(b" ".join))
def test_scraps_of_flag_files_are_read_or_refused(content: bytes) -> None:
    read_anything(content)


@MANY
@given(st.sampled_from(TEXTS), st.data())
def test_flag_files_with_a_piece_changed_are_read_or_refused(content: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 12))
        content = content[:start] + data.draw(SCRAPS) + content[start + length :]
    read_anything(content)


@MANY
@given(st.sampled_from(GOOD), st.data())
def test_what_the_reader_accepts_the_schema_accepts(path: Path, data: st.DataObject) -> None:
    """A word of a good file is exchanged for one of another; where the reader has no objection, the schema has none."""
    words = path.read_bytes().split(b" ")
    at = data.draw(st.integers(0, len(words) - 1))
    words[at] = data.draw(st.sampled_from(PIECES))
    try:
        file = read_text(b" ".join(words), load_members=load_members)
    except InvalidFile:
        return
    source = Source("flags.yaml", file.text)
    root = parse(source, Notes(source))
    assert root is not None
    assert [error.message for error in VALIDATOR.iter_errors(core(root))] == []
