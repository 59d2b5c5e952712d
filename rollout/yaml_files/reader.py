"""Reads flags.yaml: the text becomes core.definitions.FlagFile, or InvalidFile with every problem there is. Nothing is
read but this file and the member lists that it names.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rollout.core.definitions import Definitions, FlagFile
from rollout.core.errors import InvalidFile, InvalidInput, Problem
from rollout.core.flags import Flag
from rollout.core.members import digest_of
from rollout.core.segments import Segment, segments_in
from rollout.yaml_files.approvals import read_approvals
from rollout.yaml_files.chains import check_chains
from rollout.yaml_files.disk import Disk, Seen
from rollout.yaml_files.fields import Fields, fields_of
from rollout.yaml_files.flags import read_flags
from rollout.yaml_files.guards import read_guards
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.members import MAX_LIST_BYTES, MemberFiles
from rollout.yaml_files.nodes import MapNode, Node, Scalar, parse, shown
from rollout.yaml_files.notes import Notes, TooManyProblems
from rollout.yaml_files.scalars import scalar
from rollout.yaml_files.scope import Scope
from rollout.yaml_files.segments import read_attributes, read_segments
from rollout.yaml_files.source import MAX_BYTES, Source, source_of
from rollout.yaml_files.stages import read_plans
from rollout.yaml_files.windows import read_windows

VERSION = "1"
ATTEMPTS = 5  # at a file that changes while it is read

FILE = Vocabulary(
    "the file",
    ("version", "approvals", "attributes", "segments", "guards", "windows", "plans", "flags"),
    {
        "environments": "keep one file for each environment",
        "namespace": "keep one file for each, and take this line out",
        "project": "keep one file for each, and take this line out",
        "rules": "rules belong to a flag",
        "rollouts": "a rollout belongs to its flag",
    },
)


def read_text(content: str | bytes, *, name: str = "flags.yaml", load_members: Callable[[str], bytes]) -> FlagFile:
    """What the text says. Raises InvalidFile with all of its problems.

    `load_members` is given a path as the text writes it (relative, without `..`) and answers with the file's content;
    its OSError or InvalidInput becomes a problem where the path stands.
    """
    with _collector_resting():
        return _read(source_of(content, name), load_members)


def _read(source: Source, load_members: Callable[[str], bytes]) -> FlagFile:
    notes = Notes(source)
    files = MemberFiles(load_members)
    definitions = Definitions()
    with suppress(TooManyProblems):
        root = parse(source, notes)
        definitions = _definitions(root, files, notes) if root else definitions
    if notes.errors:
        raise InvalidFile(notes.errors)
    return FlagFile(
        name=source.name,
        digest=_digest(source, definitions),
        text=source.text,
        definitions=definitions,
        members=files.packed,
        lines=notes.lines,
        warnings=notes.warnings,
    )


@contextmanager
def _collector_resting() -> Iterator[None]:
    """Reading makes many objects and no cycles: looking for cycles all the while takes as long as the reading."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_file(path: Path) -> FlagFile:
    """What the file says. Its member lists stand beside it or below. Raises InvalidFile."""
    reading = read_seen(path)
    if isinstance(reading.outcome, FlagFile):
        return reading.outcome
    raise InvalidFile(reading.outcome)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading a file: what it says, or its problems; and the files that were looked at."""

    outcome: FlagFile | tuple[Problem, ...]
    seen: Mapping[Path, Seen]


def read_seen(path: Path, budget: int | None = None) -> Reading:
    """Reads a file and its member lists as they are at one moment. Raises TooMuch beyond `budget` bytes."""
    for _ in range(ATTEMPTS):
        disk = Disk(budget)
        outcome = _outcome(path, disk)
        if disk.unchanged():
            return Reading(outcome, disk.seen)
    return Reading((_file_problem(path, "keeps changing while it is read", "write it elsewhere and move it here"),), {})


def _outcome(path: Path, disk: Disk) -> FlagFile | tuple[Problem, ...]:
    try:
        content = disk.load(path, MAX_BYTES)
    except OSError as error:
        return (_file_problem(path, f"cannot be read: {error.strerror or error}"),)
    except (InvalidInput, ValueError) as error:
        return (_file_problem(path, f"cannot be read: {error}"),)
    try:
        return read_text(
            content, name=str(path), load_members=lambda file: disk.load(path.parent / file, MAX_LIST_BYTES)
        )
    except InvalidFile as invalid:
        return invalid.problems


def _file_problem(path: Path, message: str, hint: str | None = None) -> Problem:
    return Problem(str(path), 1, 1, f"the file {message}", hint)


def _definitions(root: Node, files: MemberFiles, notes: Notes) -> Definitions:
    if not isinstance(root, MapNode):
        notes.error(root, "the file is not a mapping", "begin with: version: 1")
        return Definitions()
    fields = fields_of(root, FILE, root, notes)
    fields.required("version", _version, None, "begin with: version: 1")
    fields.need(("flags",), "write 'flags: {}' where there are none")
    scope = _scope(fields, notes)
    segments = read_segments(fields.value("segments"), scope, files)
    guards = read_guards(fields.value("guards"), scope)
    flags = read_flags(fields.value("flags"), scope)
    _check_segments(segments, fields, notes)
    _check_requires(flags, fields, notes)
    attributes = {name: attribute for name, attribute in scope.attributes.items() if attribute}
    windows = {name: window for name, window in scope.windows.items() if window}
    approvals = read_approvals(fields, notes)
    return Definitions(attributes, segments, guards, flags, windows, approvals)


def _version(node: Node) -> None:
    word = scalar(node)
    if word.text != VERSION or word.style:
        raise InvalidInput(f"version '{shown(word.text)}' of the format is not known here", "write: version: 1")


def _scope(fields: Fields, notes: Notes) -> Scope:
    names = Scope(
        notes,
        attributes=read_attributes(fields.value("attributes"), notes),
        segments=_names(fields.value("segments")),
        guards=_names(fields.value("guards")),
        flags=_names(fields.value("flags")),
        windows=read_windows(fields.value("windows"), notes),
    )
    return replace(names, plans=read_plans(fields.value("plans"), names))


def _names(node: Node | None) -> dict[str, tuple[Scalar, Node]]:
    return dict(node.entries) if isinstance(node, MapNode) else {}


def _check_segments(segments: Mapping[str, Segment], fields: Fields, notes: Notes) -> None:
    links = {
        name: [inner for match in segment.matches for inner in segments_in(match)] for name, segment in segments.items()
    }
    places = {name: key for name, (key, _) in _names(fields.value("segments")).items()}
    check_chains(links, "segments", places, notes)


def _check_requires(flags: Mapping[str, Flag], fields: Fields, notes: Notes) -> None:
    links = {key: flag.requires for key, flag in flags.items()}
    check_chains(links, "flags", {key: _requires(entry) for key, entry in _names(fields.value("flags")).items()}, notes)


def _requires(entry: tuple[Scalar, Node]) -> Scalar:
    """The word `requires` of a flag; the flag's key where it has none."""
    key, flag = entry
    return flag.entries["requires"][0] if isinstance(flag, MapNode) and "requires" in flag.entries else key


def _digest(source: Source, definitions: Definitions) -> str:
    lists = sorted(
        f"{segment.members.file}={segment.members.digest}"
        for segment in definitions.segments.values()
        if segment.members
    )
    return digest_of("\0".join([source.text, *lists]).encode())
