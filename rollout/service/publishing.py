"""What clients that evaluate by themselves are given: editions of the ruleset, one a snapshot, as bytes that are made
once and compressed once. Whoever has an edition that is still remembered gets what changed since; an edition's name is
made of its content, so that it means the same on every server.
"""

from __future__ import annotations

import gzip
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson

from rollout.core.documents import Document
from rollout.core.members import packed_form
from rollout.core.ruleset import Ruleset
from rollout.core.ruleset_documents import FORMAT, ground_document, rules_document
from rollout.service.snapshot import Snapshot

REMEMBERED = 64
"""Editions back that news can be told from."""

LEVEL = 5  # of gzip: 6 is a third slower for two per cent
QUICK_LEVEL = 1  # for member lists of megabytes, in which little repeats
AT_ONCE = 64 * 1024  # bytes of a member list that may be compressed while somebody waits


@dataclass(frozen=True, slots=True)
class Content:
    """The same bytes twice."""

    plain: bytes
    gzipped: bytes


@dataclass(frozen=True, slots=True)
class Edition:
    """The ruleset of one snapshot, in parts: each flag's document as JSON, and what they stand on."""

    snapshot: Snapshot
    etag: str
    ground: bytes
    parts: Mapping[str, bytes]
    digests: Mapping[str, bytes]
    made: dict[str | None, Content] = field(default_factory=dict)  # by the edition that the reader has

    @property
    def revision(self) -> int:
        return self.snapshot.revision


@dataclass(frozen=True, slots=True)
class _Step:
    """What differed from the edition before."""

    etag: str
    flags: frozenset[str]
    ground: bool


class Publisher:
    """Any thread may call. `prepare` belongs on a thread that nobody waits for: from the first time that somebody asks
    on, what it has made is there at once; what it has not is made when it is asked for."""

    def __init__(self, current: Callable[[], Snapshot]) -> None:
        self._current = current
        self._making = threading.Lock()
        self._edition: Edition | None = None
        self._steps: deque[_Step] = deque(maxlen=REMEMBERED)
        self._whole_asked = False
        self._lists: dict[str, bytes] = {}  # digest -> gzipped
        self._lists_asked: set[str] = set()

    def edition(self) -> Edition:
        """Of the snapshot that is served now."""
        edition = self._edition
        if edition is not None and edition.snapshot is self._current():
            return edition
        with self._making:
            return self._renewed()

    def whole(self, edition: Edition) -> Content:
        self._whole_asked = True
        return self._made(edition, None, lambda: _whole(edition))

    def news(self, edition: Edition, have: str) -> Content | None:
        """What differs from the edition called `have`; None where that is not remembered."""
        steps = self._steps_since(edition, have)
        if steps is None:
            return None
        return self._made(edition, have, lambda: _news(edition, have, steps))

    def members(self, digest: str) -> bytes | None:
        """The packed member list; None where the ruleset that is served has none under this digest."""
        members = self._current().members.get(digest)
        return None if members is None else packed_form(members)

    def gzipped_members(self, digest: str) -> bytes | None:
        """The same, compressed; None also while that takes too long to wait for: `prepare` then does it."""
        found = self._lists.get(digest)
        if found is None:
            self._lists_asked.add(digest)
            packed = self.members(digest)
            if packed is not None and len(packed) <= AT_ONCE:
                found = self._lists[digest] = _gzipped(packed, LEVEL)
        return found

    def prepare(self) -> None:
        """Makes what is likely to be asked for next. Nothing, on a server that no such client asks."""
        if self._edition is None and not self._lists_asked:
            return
        edition = self.edition()
        if self._whole_asked:
            self.whole(edition)
            self._whole_asked = False
        in_force = edition.snapshot.members
        for digest in [digest for digest in self._lists if digest not in in_force]:
            del self._lists[digest]
        for digest in self._lists_asked.copy():
            packed = self.members(digest)
            if packed is not None and digest not in self._lists:
                self._lists[digest] = _gzipped(packed, QUICK_LEVEL)
        self._lists_asked.clear()

    def _renewed(self) -> Edition:
        before, snapshot = self._edition, self._current()
        if before is not None and before.snapshot is snapshot:
            return before
        edition = _edition(snapshot, before)
        if before is not None:
            self._steps.append(_step(before, edition))
        self._edition = edition
        return edition

    def _made(self, edition: Edition, have: str | None, make: Callable[[], bytes]) -> Content:
        content = edition.made.get(have)
        if content is None:
            plain = make()
            content = edition.made[have] = Content(plain, _gzipped(plain, LEVEL))
        return content

    def _steps_since(self, edition: Edition, have: str) -> list[_Step] | None:
        if have == edition.etag:
            return []
        with self._making:
            steps = list(self._steps)
        names = [step.etag for step in steps]
        if have not in names:
            return None
        return steps[len(names) - 1 - names[::-1].index(have) :]


def _edition(snapshot: Snapshot, before: Edition | None) -> Edition:
    ruleset = snapshot.evaluator.ruleset
    old = before.snapshot.evaluator.ruleset if before else Ruleset(0, {}, {}, {})
    parts: dict[str, bytes] = {}
    digests: dict[str, bytes] = {}
    for key, rules in ruleset.flags.items():
        if before is not None and old.flags.get(key) is rules:
            parts[key], digests[key] = before.parts[key], before.digests[key]
        else:
            parts[key] = orjson.dumps(rules_document(rules))
            digests[key] = _digest(parts[key])
    ground = orjson.dumps(ground_document(ruleset))
    return Edition(snapshot, _etag(ruleset.revision, ground, digests), ground, parts, digests)


def _etag(revision: int, ground: bytes, digests: Mapping[str, bytes]) -> str:
    content = blake2b(b"%d %d " % (FORMAT, revision) + _digest(ground), digest_size=12)
    for key in sorted(digests):
        content.update(key.encode() + digests[key])
    return f"r{revision}-{content.hexdigest()}"


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _step(before: Edition, after: Edition) -> _Step:
    changed = {key for key in before.digests.keys() | after.digests.keys() if _differs(key, before, after)}
    return _Step(before.etag, frozenset(changed), before.ground != after.ground)


def _differs(key: str, before: Edition, after: Edition) -> bool:
    return before.digests.get(key) != after.digests.get(key)


def _whole(edition: Edition) -> bytes:
    return _body(edition, {}, edition.parts, ground=True)


def _news(edition: Edition, have: str, steps: list[_Step]) -> bytes:
    changed = frozenset[str]().union(*(step.flags for step in steps))
    parts = {key: part for key, part in edition.parts.items() if key in changed}
    head = {"since": have, "removed": sorted(changed - parts.keys())}
    return _body(edition, head, parts, ground=any(step.ground for step in steps))


def _body(edition: Edition, more: Document, parts: Mapping[str, bytes], *, ground: bool) -> bytes:
    """Put together from parts that are JSON already."""
    head = orjson.dumps({"format": FORMAT, "etag": edition.etag, "revision": edition.revision, **more})
    flags = b",".join(orjson.dumps(key) + b":" + part for key, part in parts.items())
    middle = b"," + edition.ground[1:-1] if ground else b""
    return head[:-1] + middle + b',"flags":{' + flags + b"}}"


def _gzipped(content: bytes, level: int) -> bytes:
    return gzip.compress(content, level, mtime=0)
