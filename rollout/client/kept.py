"""The last ruleset on disk, for a start while the service is down. Each file is written whole, synced and renamed, so
that a crash leaves the old one or the new one; what is damaged, or of another service, is not read.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rollout.client.editions import NOTHING, Edition, next_edition
from rollout.core.errors import InvalidInput
from rollout.core.members import Membership, digest_of, open_members, packed_form
from rollout.core.ruleset_documents import ruleset_document

CONFIRMED_EVERY = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Found:
    edition: Edition
    confirmed_at: float  # seconds since 1970, when the service said so last; the file's time, give or take a minute


class Kept:
    """In a folder that processes may share: the same service's ruleset is the same for all of them."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._file = folder / f"ruleset-{self._name}.json"
        self._confirmed_at = 0.0

    def read(self) -> Found | None:
        """None where there is nothing. Raises OSError and InvalidInput for what cannot be used."""
        try:
            confirmed_at = self._file.stat().st_mtime
            seal, _, content = self._file.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if seal.decode(errors="replace") != digest_of(content):
            raise InvalidInput(f"{self._file} is damaged")
        document = json.loads(content)
        if document["url"] != self._url:
            return None
        edition = next_edition(document["ruleset"], NOTHING, self.members)
        return Found(edition, confirmed_at)

    def members(self, digest: str) -> Membership:
        """Raises OSError and InvalidInput where the list is not there or not whole."""
        packed = self._list(digest).read_bytes()
        if digest_of(packed) != digest:
            raise InvalidInput(f"{self._list(digest)} is damaged")
        return open_members(packed)

    def confirm(self) -> None:
        """What is here is still what the service says. Raises OSError."""
        now = time.monotonic()
        if now - self._confirmed_at >= CONFIRMED_EVERY:
            self._confirmed_at = now
            os.utime(self._file)

    def write(self, edition: Edition) -> None:
        """Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for digest, members in edition.members.items():
            if not self._list(digest).exists():
                _write_whole(self._list(digest), packed_form(members))
        # A newer client may read what was left out here, so it has to ask for the whole.
        ruleset = {**ruleset_document(edition.evaluator.ruleset), "etag": "" if edition.left_out else edition.etag}
        content = json.dumps({"url": self._url, "ruleset": ruleset}).encode()
        _write_whole(self._file, digest_of(content).encode() + b"\n" + content)
        wanted = {self._list(digest) for digest in edition.members}
        for path in set(self._folder.glob(f"members-{self._name}-*[!w]")) - wanted:  # and none that is being written
            path.unlink(missing_ok=True)

    def _list(self, digest: str) -> Path:
        return self._folder / f"members-{self._name}-{hashlib.sha256(digest.encode()).hexdigest()[:32]}"


def _write_whole(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
