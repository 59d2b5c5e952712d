"""Puts an export into its folder, whole or not at all; and remembers what was shown, so that the next one can prove
that nothing of it was changed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout.core.errors import InvalidInput
from rollout.service.export.contents import Shown
from rollout.stores.disk import sync_folder, write_whole

EXPORTS_FILE = "exports.jsonl"


def check_new(folder: Path) -> None:
    """Raises InvalidInput where something is there already: an export is never mixed with another."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is there already, and not empty", "name a new folder with -o")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Raises OSError."""
    beside = folder.with_name(f"{folder.name}.new-{os.getpid()}")
    try:
        for name, content in files.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def last_shown(record: Path, size: int) -> Shown | None:
    """The newest export of no more than so many entries."""
    try:
        lines = (record / EXPORTS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return None
    shown = [json.loads(line) for line in lines]
    fitting = [Shown(one["quarter"], one["size"], one["root"]) for one in shown if one["size"] <= size]
    return fitting[-1] if fitting else None


def remember(record: Path, manifest: Mapping[str, Any]) -> None:
    """Raises OSError."""
    last = manifest["last"]
    line = {"quarter": manifest["quarter"], "size": last["size"], "root": last["root"], "made_at": manifest["made_at"]}
    with (record / EXPORTS_FILE).open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(record)
