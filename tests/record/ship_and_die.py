"""Run by a test: ships a history into FOLDER in small steps, in child processes that are killed at random points. Ends
with 0 when, after every kill, the copy was a beginning of the history, and whole at last.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from rollout.service.shipper import RecordState, Shipper
from rollout.stores.segments import Segments, read_segments
from tests.record.recordkit import everything, live_through, place_at

ENTRIES, BATCH = 300, 2


def main(folder: Path, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    place = live_through(place_at("2018-02-01"), ENTRIES)
    history = everything(place)
    began = time.monotonic()
    ship(place, folder / "whole")
    longest = (time.monotonic() - began) / 8  # so that a copy takes several lives
    copy = folder / "copy"
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            ship(place, copy)
            os._exit(0)
        time.sleep(dice.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = read_after_repair(copy)
        assert found == history[: len(found)], f"after {len(found)} entries"
        if len(found) == len(history):
            shutil.rmtree(copy)
    ship(place, copy)
    assert list(read_segments(copy)) == history


def ship(place: object, folder: Path) -> None:
    shipper = Shipper(place.store, lambda: Segments(folder), batch=BATCH)
    shipper.ship()
    assert shipper.standing.state is RecordState.SHIPPING, shipper.standing


def read_after_repair(folder: Path) -> list[bytes]:
    Segments(folder)
    return list(read_segments(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
