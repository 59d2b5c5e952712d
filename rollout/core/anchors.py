"""Anchors: signed statements of how far the record went and what it was. Whoever keeps one, in a mail or under an
object lock, can tell for ever whether the record that is shown still begins with what was there then, even where the
whole chain was rewritten with care.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollout.core.audit import canonical_line, read_line
from rollout.core.chain import Chain, Place

MESSAGE = b"rollout-anchor:v1\n"

Sign: TypeAlias = Callable[[bytes], bytes]
Proves: TypeAlias = Callable[[str, bytes, str], bool]
"""Whether this public key (hex) made of this message this signature (hex)."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """`size` entries, the last at `place` with `hash`, are the tree of this `root`."""

    at: str
    size: int
    place: Place
    hash: str
    root: str
    key: str  # the public key, hex
    signature: str = ""

    def document(self) -> dict[str, Any]:
        revision, note = self.place
        return {
            "version": 1,
            "at": self.at,
            "size": self.size,
            "revision": revision,
            "note": note,
            "hash": self.hash,
            "root": self.root,
            "key": self.key,
            **({"signature": self.signature} if self.signature else {}),
        }

    def message(self) -> bytes:
        """What is signed."""
        document = self.document()
        document.pop("signature", None)
        return MESSAGE + canonical_line(document)

    def line(self) -> bytes:
        return canonical_line(self.document())

    def stands_on(self, chain: Chain) -> bool:
        """Whether this is what was signed, where `chain` has as many entries."""
        return (self.size, self.place, self.hash, self.root) == (chain.size, chain.place, chain.hash, chain.root)


def anchor_of(chain: Chain, at: str, key: str, sign: Sign) -> Anchor:
    unsigned = Anchor(at, chain.size, chain.place, chain.hash, chain.root, key)
    return read_anchor(canonical_line({**unsigned.document(), "signature": sign(unsigned.message()).hex()}))


def read_anchor(line: bytes) -> Anchor:
    """Raises ValueError for what is none."""
    try:
        document = read_line(line)
        place = int(document["revision"]), int(document["note"])
        texts = [str(document[name]) for name in ("hash", "root", "key", "signature")]
        return Anchor(str(document["at"]), int(document["size"]), place, *texts)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{line[:60]!r} is not an anchor") from error
