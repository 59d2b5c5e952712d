"""All files of an export, with the manifest that names each by its hash and is signed. Made from the record alone, so
that whoever makes it again gets the same, but for the time at which it was made and the export before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from rollout.core.anchors import Anchor, Sign
from rollout.core.chain import Chain, entry_hash, place_of, place_text
from rollout.core.documents import read_instant
from rollout.core.merkle import consistency_proof
from rollout.service.export.history import History
from rollout.service.export.report import report
from rollout.service.export.tables import (
    APPROVAL_COLUMNS,
    ENTRY_COLUMNS,
    EXPOSURE_COLUMNS,
    TRIP_COLUMNS,
    approval_rows,
    entry_rows,
    exposure_rows,
    table,
    trip_rows,
)
from rollout.service.exposed_days import DayCount

VERSION = 1
MESSAGE = b"rollout-export:v1\n"
LONGEST_QUIET = timedelta(hours=2)  # between anchors that are signed each hour


@dataclass(frozen=True, slots=True)
class Shown:
    """What an earlier export showed."""

    quarter: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Seal:
    """Who signs, and when it is."""

    key: str
    sign: Sign
    at: str


def contents(
    history: History, anchors: Sequence[Anchor], shown: Shown | None, exposed: Mapping[str, DayCount], seal: Seal
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files by their names, and the manifest. `exposed`: by day."""
    until = [anchor for anchor in anchors if anchor.size <= history.chain.size]
    files = {
        "entries.jsonl": b"".join(line + b"\n" for line in history.lines),
        "entries.csv": table(ENTRY_COLUMNS, entry_rows(history.entries)),
        "approvals.csv": table(APPROVAL_COLUMNS, approval_rows(history.entries)),
        "trips.csv": table(TRIP_COLUMNS, trip_rows(history.entries)),
        "exposed.csv": table(EXPOSURE_COLUMNS, exposure_rows(exposed)),
        "anchors.jsonl": b"".join(anchor.line() + b"\n" for anchor in until),
        "verify.py": Path(__file__).with_name("verify.py").read_bytes(),
        **_file_texts(history),
    }
    manifest = _manifest(history, until, shown, seal)
    files["report.html"] = report(history, manifest, exposed)
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    raw = json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"
    signature = seal.sign(MESSAGE + raw).hex().encode() + b"\n"
    return {**files, "manifest.json": raw, "manifest.sig": signature}, manifest


def _manifest(history: History, anchors: Sequence[Anchor], shown: Shown | None, seal: Seal) -> dict[str, Any]:
    before, chain = history.before, history.chain
    first = history.entries[0] if history.entries else None
    return {
        "version": VERSION,
        "quarter": str(history.quarter),
        "made_at": seal.at,
        "entries": len(history.lines),
        "first": {"place": place_text(place_of(first)), "hash": entry_hash(history.lines[0])} if first else None,
        "last": _end(chain),
        "before": {**_end(before), "at": before.at, "frontier": [one.hex() for one in before.tree.roots]},
        "previous_export": None
        if shown is None
        else {"quarter": shown.quarter, "size": shown.size, "root": shown.root},
        "consistency_proof": [step.hex() for step in _proof(history, shown)],
        "gaps": _gaps(history, anchors),
        "versions": [
            {
                "revision": one.revision,
                "since": one.since,
                "digest": one.digest,
                "file": _file_name(one.digest, one.text),
            }
            for one in history.versions
        ],
        "key": seal.key,
    }


def _end(chain: Chain) -> dict[str, Any]:
    revision, note = chain.place
    return {"size": chain.size, "revision": revision, "note": note, "hash": chain.hash, "root": chain.root}


def _proof(history: History, shown: Shown | None) -> list[bytes]:
    if shown is None or shown.size == 0:
        return []
    return consistency_proof(shown.size, history.leaves)


def _gaps(history: History, anchors: Sequence[Anchor]) -> list[dict[str, str]]:
    """While no server was there to sign, what happened in the store may have been seen by nobody else."""
    times = [anchor.at for anchor in anchors if history.quarter.place(anchor.at) == 0]
    return [
        {"from": earlier, "to": later}
        for earlier, later in pairwise(times)
        if read_instant(later) - read_instant(earlier) > LONGEST_QUIET
    ]


def _file_texts(history: History) -> dict[str, bytes]:
    return {
        name: version.text.encode()
        for version in history.versions
        if version.text is not None and (name := _file_name(version.digest, version.text))
    }


def _file_name(digest: str, text: str | None) -> str | None:
    return None if text is None else f"files/{digest[:16]}.yaml"
