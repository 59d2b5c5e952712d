"""Gives a store back what it lost: where a backup was restored, or a failover lost writes, a server's copy of the
record has the entries that are missing, and the state that they give. Nothing is taken from a store: one that has
another history is left as it is, for a person to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from rollout.core.audit import read_line
from rollout.core.chain import Chain, Place, entry_hash, follow, place_of, place_text
from rollout.core.documents import read_instant
from rollout.core.errors import RefusedByRule
from rollout.service.encoding import encode_record, encode_shared
from rollout.service.operations import EPOCH, Operations, Request
from rollout.service.ports import FlagStore, Restoration, Stored
from rollout.service.replay import replay
from rollout.service.shipper import files_of


class Copy(Protocol):
    """A server's copy of the record."""

    def lines(self) -> list[bytes]: ...

    def blob(self, digest: str) -> bytes | None: ...

    def newest(self) -> Stored | None:
        """The state that this server kept last."""


@dataclass(frozen=True, slots=True)
class Recovered:
    entries: int  # given back
    place: str  # where the store stands now


def recover(store: FlagStore, copy: Copy, request: Request, *, accept: bool = False) -> Recovered:
    """Gives back what is missing, lifts the mark, and notes that it was done. `accept`: the store's own history shall
    count, whatever the copy has. Raises BrokenChain for a copy that was tampered with, RefusedByRule where the store
    has another history, RevisionConflict where it is written to meanwhile, StoreUnavailable."""
    lines, stored = copy.lines(), store.read()
    chain = follow(lines)
    missing = [] if accept else _missing(store, stored, lines, chain)
    if missing:
        store.restore(_restoration(stored, missing, chain, copy, lines))
    store.mark_lost(None)
    about = {"given_back": len(missing), "copy_ends_at": place_text(chain.place), "copy_hash": chain.hash}
    Operations(store).note("recover", request, {**about, "accepted": "yes" if accept else ""})
    after = store.read([])
    return Recovered(len(missing), place_text((after.revision, after.notes)))


def _missing(store: FlagStore, stored: Stored, lines: Sequence[bytes], chain: Chain) -> list[tuple[Place, bytes]]:
    """What the copy has and the store has not. Raises RefusedByRule where the one does not begin with the other."""
    placed = [(place_of(read_line(line)), line) for line in lines]
    there = (stored.revision, stored.notes)
    if there < chain.place:
        last = next((line for place, line in placed if place == there), None)
        if there == (0, 0) or (last is not None and stored.head_hash == entry_hash(last)):
            return [(place, line) for place, line in placed if place > there]
    elif not lines or _line_at(store, chain.place) == lines[-1]:
        return []
    raise RefusedByRule(
        f"the store, at {place_text(there)}, has another history than this copy, which ends at "
        f"{place_text(chain.place)}",
        "restore a backup of the store that this copy follows; or, where what the store has shall count, run it again "
        "with --accept-store and make a new copy",
    )


def _line_at(store: FlagStore, place: Place) -> bytes | None:
    revision, note = place
    if note:
        found = store.notes(after=(revision, note - 1), before=(revision, note + 1), limit=1)
    else:
        found = store.audit(after=revision - 1, before=revision + 1, limit=1)
    return found[0] if found else None


def _restoration(
    stored: Stored, missing: Sequence[tuple[Place, bytes]], chain: Chain, copy: Copy, lines: Sequence[bytes]
) -> Restoration:
    blobs = dict(one for _, line in missing for one in files_of(read_line(line), copy.blob))
    shared, flags = _state(chain, copy, lines)
    at_ms = (read_instant(chain.at) - EPOCH) // timedelta(milliseconds=1)
    revision, notes = chain.place
    after = Stored(revision, at_ms, at_ms, shared, flags, head_hash=chain.hash, notes=notes)
    return Restoration(stored.revision, stored.notes, stored.head_hash, missing, after, blobs)


def _state(chain: Chain, copy: Copy, lines: Sequence[bytes]) -> tuple[bytes | None, dict[str, bytes]]:
    """The very documents, where the server kept those of the last revision; else what the entries give."""
    newest = copy.newest()
    if newest is not None and newest.revision == chain.place[0]:
        return newest.shared, dict(newest.flags)
    state = replay(lines, copy.blob)
    return encode_shared(state), {key: encode_record(record) for key, record in state.records.items()}
