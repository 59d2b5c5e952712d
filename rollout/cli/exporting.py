"""Takes an export: reads the record on disk, signs, says in the audit that it was taken, and writes the folder."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollout.cli.identity import actor
from rollout.core.chain import BrokenChain
from rollout.core.documents import instant_text
from rollout.core.errors import InvalidInput, StoreUnavailable
from rollout.service.export.contents import Seal, contents
from rollout.service.export.history import History, walk
from rollout.service.export.quarters import Quarter
from rollout.service.exposed_days import counted_days
from rollout.service.operations import Request
from rollout.stores.anchors import ANCHORS_FILE, Anchors, read_anchors
from rollout.stores.exports import check_new, last_shown, remember, write_folder
from rollout.stores.segments import RECORD_FOLDER, read_kept, read_segments
from rollout.stores.signing import KEY_FILE, read_key

if TYPE_CHECKING:
    from rollout.service.desk import Desk


def export(desk: Desk, quarter: Quarter, folder: Path, data_dir: Path, reason: str) -> dict[str, Any]:
    """The manifest. Raises InvalidInput for a folder that is not empty and where there is no record, StoreUnavailable
    where the record does not hold, and what the desk raises: an export that cannot be noted is not made."""
    check_new(folder)
    record = data_dir / RECORD_FOLDER
    if not record.is_dir():
        raise InvalidInput(f"there is no record in {data_dir}", "name the data folder of the service with --data-dir")
    history, key = _history(record, quarter), read_key(data_dir / KEY_FILE)
    Anchors(record, key).add(history.whole)
    seal = Seal(key.public, key.sign, instant_text(datetime.now(UTC)))
    shown = last_shown(record, history.chain.size)
    people = counted_days(history.counted, quarter.days)
    files, manifest = contents(history, read_anchors(record / ANCHORS_FILE), shown, people, seal)
    last = manifest["last"]
    about = {
        "quarter": str(quarter),
        "entries": manifest["entries"],
        "size": last["size"],
        "root": last["root"],
        "manifest": hashlib.sha256(files["manifest.json"]).hexdigest(),
    }
    desk.note_export(about, Request(actor(), reason))
    write_folder(folder, files)
    remember(record, manifest)
    return manifest


def _history(record: Path, quarter: Quarter) -> History:
    try:
        anchors = read_anchors(record / ANCHORS_FILE)
        return walk(read_segments(record), quarter, lambda digest: read_kept(record, digest), anchors)
    except BrokenChain as broken:
        raise StoreUnavailable(
            f"the record does not hold: {broken}", "`rollout audit verify` says more; nothing was exported"
        ) from broken
