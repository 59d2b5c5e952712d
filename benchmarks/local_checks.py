"""Local checks: this product's Python client beside those of others, each with the same flag in memory; microseconds of
the asking thread's processor an answer. They take turns, round after round, in one process with the Python of .peers.

    .peers/bin/python local_checks.py [--rounds 100] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from local_clients import CLIENTS, Ask
from peers import PYTHON

OURS = "rollout"
CROWD = [f"u-{number}" for number in range(20_000)]
BUDGET = 0.004  # seconds of a client's round
PATIENCE = 10.0  # seconds until a client has its flag
HEADER = "| client | µs an answer, median (lowest–highest) | rollout is × as fast |\n|---|--:|--:|"


def equal(ask: Ask) -> str:
    """What is wrong with its answers, or nothing."""
    deadline = time.monotonic() + PATIENCE
    while not ask("u-1", "NO") and time.monotonic() < deadline:
        time.sleep(0.05)
    share = sum(ask(user, "IN") for user in CROWD[:5000])
    if not all(ask(user, "NO") for user in CROWD[:100]):
        return "does not admit the segment"
    if any(ask(user, "GB") for user in CROWD[:100]):
        return "admits those who are in neither segment"
    return "" if 20 <= share <= 90 else f"admits {share} of 5,000 instead of 1 %"


def ready(folder: Path) -> tuple[dict[str, Ask], dict[str, str]]:
    asks, refused = {}, {}
    for name, make in CLIENTS.items():
        (folder / name).mkdir()
        try:
            ask = make(folder / name)
            wrong = equal(ask)
        except Exception as error:  # whatever others' clients raise; the rest is compared
            wrong = f"{type(error).__name__}: {error}"[:200]
        if wrong:
            refused[name] = wrong
        else:
            asks[name] = ask
    return asks, refused


def microseconds(ask: Ask, calls: int) -> float:
    people = [user for user, _ in zip(cycle(CROWD), range(calls), strict=False)]
    began = time.thread_time()
    for user in people:
        ask(user, "IN")
    return (time.thread_time() - began) / calls * 1e6


def in_turns(asks: dict[str, Ask], rounds: int) -> dict[str, list[float]]:
    calls = {name: max(20, int(BUDGET * 1e6 / microseconds(ask, 50))) for name, ask in asks.items()}
    taken: dict[str, list[float]] = {name: [] for name in asks}
    gc.freeze()
    for _ in range(rounds):
        for name, ask in asks.items():
            taken[name].append(microseconds(ask, calls[name]))
    return taken


def measured() -> dict[str, Any]:
    """By the Python of .peers, from another: `taken`, by client what each round took, and `refused`, by client why."""
    command = [str(PYTHON), str(Path(__file__)), "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    return dict(json.loads(said.splitlines()[-1]))


def table(taken: dict[str, list[float]]) -> str:
    rows = [HEADER]
    for name in sorted(taken, key=lambda one: statistics.median(taken[one])):
        spans = sorted(taken[name])
        ratio = statistics.median(theirs / ours for theirs, ours in zip(taken[name], taken[OURS], strict=True))
        rows.append(f"| {name} | {statistics.median(spans):.2f} ({spans[0]:.2f}–{spans[-1]:.2f}) | {ratio:.1f} |")
    return "\n".join(rows)


def targets(taken: dict[str, list[float]]) -> list[tuple[str, str, str]]:
    ours = taken[OURS]
    others = {
        name: statistics.median(theirs / mine for theirs, mine in zip(taken[name], ours, strict=True))
        for name in taken
        if name != OURS
    }
    rows = [
        ("local check: a segment rule before a share of 1 %, quietest round", "≤ 1 µs", f"{min(ours):.2f} µs"),
        ("local check: the same, median", "≤ 1 µs", f"{statistics.median(ours):.2f} µs"),
    ]
    if others:
        fastest = min(others, key=others.__getitem__)
        rows.append(
            (f"local check: time of {fastest}, the fastest of {len(others)}", "> 1 ×", f"{others[fastest]:.1f} ×")
        )
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        asks, refused = ready(Path(name))
        taken = in_turns(asks, asked.rounds)
        print(json.dumps({"taken": taken, "refused": refused}) if asked.json else table(taken))
        for client, why in refused.items():
            print(f"{client}: {why}", file=sys.stderr)
        sys.stdout.flush()
        os._exit(0)  # some clients' threads would wait for their network


if __name__ == "__main__":
    main()
