"""Ships the record out of the store: follows the audit's chain, entry by entry, into a copy on this server's disk that
the store cannot take back. Every server has a whole copy of its own. It says loudly when the store's history is not the
one that was shipped: a backup was restored, or a failover lost what had been written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Protocol

from rollout.core.audit import canonical_line, read_line
from rollout.core.chain import BrokenChain, Chain, Place, place_of, place_text
from rollout.core.documents import Document
from rollout.core.errors import StoreUnavailable
from rollout.service.encoding import unpack_definitions
from rollout.service.ports import FlagStore, Stored

BATCH = 1000  # entries read and appended at a time

log = logging.getLogger(__name__)


class Record(Protocol):
    """A copy of the record that only grows."""

    @property
    def chain(self) -> Chain:
        """How it ends."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Raises BrokenChain where they do not follow, and OSError; then it is opened anew."""

    def keep(self, digest: str, content: bytes) -> None:
        """What an entry speaks of, under its address. Raises OSError."""


class RecordState(StrEnum):
    OPENING = "opening"
    SHIPPING = "shipping"
    UNREACHED = "store not reached"
    BEHIND = "store behind"  # it lost entries that were shipped
    FORKED = "another history"  # it holds other entries than were shipped
    BROKEN = "broken"  # the copy itself was tampered with
    UNWRITABLE = "cannot be written"


LOUD = (RecordState.BEHIND, RecordState.FORKED, RecordState.BROKEN, RecordState.UNWRITABLE)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the copy on this server stands. `trouble` is what a person must look at; None where all is well."""

    state: RecordState
    place: str = "0"  # of the last entry shipped
    size: int = 0
    hash: str = ""
    trouble: str | None = None

    def document(self) -> Document:
        return asdict(self)


class Shipper:
    """`open_record` raises BrokenChain and OSError; `changed` is called with each new standing."""

    def __init__(
        self,
        store: FlagStore,
        open_record: Callable[[], Record],
        changed: Callable[[Standing], None] = lambda _: None,
        batch: int = BATCH,
        server: str = "",
    ) -> None:
        self.standing = Standing(RecordState.OPENING)
        self._store = store
        self._open_record = open_record
        self._changed = changed
        self._batch = batch
        self._server = server
        self._record: Record | None = None

    @property
    def chain(self) -> Chain | None:
        """How the copy ends; None before it was opened."""
        return self._record.chain if self._record else None

    def ship(self) -> None:
        """Everything that is in the store and not here yet. Nothing that goes wrong is raised: it is the standing."""
        try:
            self._record = self._record or self._open_record()
        except BrokenChain as broken:
            self._stands(RecordState.BROKEN, f"the record on this server's disk is not as it was written: {broken}")
            return
        except OSError as error:
            self._stands(RecordState.UNWRITABLE, f"the record cannot be opened: {error}")
            return
        try:
            self._ship(self._record)
        except BrokenChain as broken:
            self._lost(RecordState.FORKED, f"the store holds another history than was shipped: {broken}")
        except StoreUnavailable:
            self._stands(RecordState.UNREACHED)
        except OSError as error:
            self._record = None
            self._stands(RecordState.UNWRITABLE, f"the record cannot be written: {error}")

    def _ship(self, record: Record) -> None:
        stored = self._store.read([])
        if (stored.revision, stored.notes) < record.chain.place:
            self._lost(RecordState.BEHIND, _behind(stored, record.chain))
            return
        _check_same(stored, record.chain)
        while lines := entries_after(self._store, record.chain.place, self._batch):
            for line in lines:
                self._keep_files(record, read_line(line))
            record.append(lines)
        self._stands(RecordState.SHIPPING)

    def _lost(self, state: RecordState, trouble: str) -> None:
        """The store is marked, so that other servers, and whoever goes straight to it, raise nothing either."""
        self._stands(state, trouble)
        try:
            if self._store.read([]).lost is None:
                self._store.mark_lost(canonical_line({"server": self._server, **self.standing.document()}))
        except StoreUnavailable:
            return  # the next round comes

    def _keep_files(self, record: Record, entry: Document) -> None:
        """First what an entry speaks of, then the entry: so that no copy has the one without the other."""
        for digest, content in files_of(entry, self._store.blob):
            record.keep(digest, content)

    def _stands(self, state: RecordState, trouble: str | None = None) -> None:
        chain = self._record.chain if self._record else Chain()
        standing = Standing(state, place_text(chain.place), chain.size, chain.hash, trouble)
        if standing == self.standing:
            return
        if trouble and trouble != self.standing.trouble:
            log.error("the record: %s", trouble)
        elif self.standing.trouble and not trouble and state is RecordState.SHIPPING:
            log.warning("the record goes on at entry %s", standing.place)
        self.standing = standing
        self._changed(standing)


def entries_after(store: FlagStore, place: Place, limit: int) -> list[bytes]:
    """The next entries of the chain, notes among changes. Changes are read first: all notes that stand before the last
    of them are there by then."""
    changes = [(place_of(read_line(line)), line) for line in store.audit(after=place[0], limit=limit)]
    last = changes[-1][0][0] if changes else place[0]
    found = [(place_of(read_line(line)), line) for line in store.notes(after=place, before=(last + 1, 0), limit=limit)]
    end = found[-1][0] if len(found) == limit else (last + 1, 0)
    return [line for where, line in sorted([*changes, *found]) if where <= end]


def files_of(entry: Document, blob: Callable[[str], bytes | None]) -> Iterator[tuple[str, bytes]]:
    """The version of the flags file that an entry brought in force: its text, what it defines, and its member lists."""
    after = entry["after"]
    if "definitions" not in after:
        return
    for name in ("text", "lines", "definitions"):
        yield after[name], _had(blob, after[name])
    for segment in unpack_definitions(_had(blob, after["definitions"])).segments.values():
        if segment.members:
            yield segment.members.digest, _had(blob, segment.members.digest)


def _had(blob: Callable[[str], bytes | None], digest: str) -> bytes:
    content = blob(digest)
    if content is None:
        raise StoreUnavailable(f"the store has no {digest[:12]}, which the audit speaks of")
    return content


def _check_same(stored: Stored, chain: Chain) -> None:
    here = (stored.revision, stored.notes) == chain.place
    if here and stored.head_hash and chain.hash and stored.head_hash != chain.hash:
        raise BrokenChain(chain.place, "is another one there")


def _behind(stored: Stored, chain: Chain) -> str:
    there = place_text((stored.revision, stored.notes))
    return f"the store lost entries: it ends at {there}, and {place_text(chain.place)} was shipped from it"
