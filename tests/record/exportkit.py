"""A service to take exports of, and the auditor who is handed one."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.cli.exporting import export
from rollout.service.export.quarters import Quarter
from rollout.service.shipper import Shipper
from rollout.stores.anchors import Anchors
from rollout.stores.segments import Segments
from rollout.stores.signing import signing_key
from tests.record.recordkit import HOUR_MS, live_through, place_at

FIRST = Quarter(2018, 1)


@dataclass
class Site:
    """A service that lived from late 2017 on, and its data folder."""

    data: Path
    place: Any = field(default_factory=lambda: place_at("2017-12-20"))

    def live(self, changes: int, every_hours: int = 7) -> None:
        live_through(self.place, changes, every_hours * HOUR_MS)
        self.ship()

    def ship(self) -> None:
        shipper = Shipper(self.place.store, lambda: Segments(self.data / "audit"))
        shipper.ship()
        assert shipper.chain is not None
        Anchors(self.data / "audit", signing_key(self.data)).add(shipper.chain)

    def note_export(self, about: dict[str, Any], asked: Any) -> None:
        self.place.operations.note("export", asked, about)

    def export(self, name: str, quarter: Quarter = FIRST) -> Path:
        folder = self.data / name
        export(self, quarter, folder, self.data, "for the regulator")  # type: ignore[arg-type]
        return folder


def manifest_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return document


def auditor_says(folder: Path, *words: str) -> tuple[int, str]:
    """verify.py, run as an auditor runs it: with Python alone, and nothing of ours in reach."""
    command = [sys.executable, "-I", "-S", "-B", str(folder / "verify.py"), *words]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / name).read_text("utf-8-sig").splitlines()))
