"""The record, walked once from its first entry: what stood before the quarter, each of its entries with where the flags
stood after it, and the versions of the file that were in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.core.anchors import Anchor
from rollout.core.audit import read_line
from rollout.core.chain import BrokenChain, Chain, place_text
from rollout.core.changes import served
from rollout.core.documents import Document, instant_text
from rollout.core.merkle import leaf_hash
from rollout.core.progress import FlagRecord, State
from rollout.service.encoding import unpack_json
from rollout.service.export.quarters import Quarter
from rollout.service.exposed_days import ACTION as COUNTED
from rollout.service.replay import replay
from rollout.service.snapshot import FetchBlob

Exposed = Mapping[str, float]
"""Audience -> the percentage of it that is served the flag's on side."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the flags file. `text` is None where it is no longer kept."""

    revision: int
    since: str
    digest: str
    name: str
    text: str | None


@dataclass
class History:
    quarter: Quarter
    before: Chain = field(default_factory=Chain)  # of what is older than the quarter
    chain: Chain = field(default_factory=Chain)  # to the quarter's end
    whole: Chain = field(default_factory=Chain)  # to the record's end
    leaves: list[bytes] = field(default_factory=list)  # of all entries to the quarter's end
    lines: list[bytes] = field(default_factory=list)  # of the quarter
    entries: list[Document] = field(default_factory=list)  # the same
    counted: list[Document] = field(default_factory=list)  # who was served what, told when a day was over
    shares: dict[str, list[tuple[str, Exposed]]] = field(default_factory=dict)  # flag -> from when on, what
    records: Mapping[str, FlagRecord] = field(default_factory=dict)  # at the end
    versions: list[Version] = field(default_factory=list)


def walk(lines: Iterable[bytes], quarter: Quarter, blob: FetchBlob, anchors: Sequence[Anchor] = ()) -> History:
    """Raises BrokenChain where the record is not whole or not what was signed, and StoreUnavailable where it cannot be
    replayed."""
    history, state, waiting = History(quarter), State(), sorted(anchors, key=lambda anchor: -anchor.size)
    for line in lines:
        entry = read_line(line)
        when = quarter.place(entry["at"])
        history.whole = history.whole.plus(line)
        _check_signed(waiting, history.whole)
        if entry["action"] == COUNTED:
            history.counted.append(entry)
        if when > 0:
            continue
        if when == 0 and not history.entries:
            _begin(history, state, blob)
        history.chain = history.whole
        history.leaves.append(leaf_hash(line))
        if when < 0:
            history.before = history.chain
        after = replay([line], blob, state)
        if when == 0:
            history.lines.append(line)
            history.entries.append(entry)
            _moved(history, entry, state, after, blob)
        state = after
    if not history.entries:
        _begin(history, state, blob)
    history.records = state.records
    if waiting:
        raise BrokenChain(None, f"it was signed up to entry {place_text(waiting[0].place)}, and its tail was cut off")
    return history


def _check_signed(waiting: list[Anchor], chain: Chain) -> None:
    """Takes from `waiting`, the next of which is the last, those that were signed of so many entries."""
    while waiting and waiting[-1].size <= chain.size:
        anchor = waiting.pop()
        if anchor.size and not anchor.stands_on(chain):
            said = f"the entries up to {place_text(chain.place)} are not those that were signed at {anchor.at}"
            raise BrokenChain(None, said)


def _begin(history: History, state: State, blob: FetchBlob) -> None:
    at = instant_text(history.quarter.begins)
    for key, record in state.records.items():
        history.shares[key] = [(at, _exposed(record))]
    if state.file:
        history.versions.append(_version(state, blob))


def _moved(history: History, entry: Document, before: State, after: State, blob: FetchBlob) -> None:
    touched = [entry["flag"]] if entry["flag"] else list(after.records)
    for key in touched:
        record = after.records.get(key)
        if record is None or before.records.get(key) is record:
            continue
        exposed, known = _exposed(record), history.shares.setdefault(key, [])
        if not known or known[-1][1] != exposed:
            known.append((entry["at"], exposed))
    for key in before.records.keys() - after.records.keys():
        history.shares[key].append((entry["at"], {}))
    if after.file and after.file != before.file:
        history.versions.append(_version(after, blob))


def _exposed(record: FlagRecord) -> Exposed:
    return {audience: float(share.percent) for audience, share in served(record).items()}


def _version(state: State, blob: FetchBlob) -> Version:
    file = state.file
    assert file is not None
    content = blob(file.text_digest)
    text = str(unpack_json(content)) if content is not None else None
    return Version(file.revision, instant_text(file.at), file.digest, file.name, text)
