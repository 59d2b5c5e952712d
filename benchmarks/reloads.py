"""Checks while a flags file of ten thousand flags is loaded again, beside quiet: one worker that serves it is asked a
thousand times a second over one connection, and each answer's time counts from when it was due, so that a stall is felt
by all that had to wait. Quiet and reloads take turns; a ratio is the median of the rounds' own ratios.

    python benchmarks/reloads.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from asking import Line, request, revision_in
from changes import BOTH_CORES, MANY, QUERY, Found, p99
from servers import rollout

EVERY = 0.001  # seconds between two checks
QUIET = 3.0  # seconds
SETTLED = 3.0  # seconds without another revision
AFTERWARDS = 1.5  # seconds from the first answer by what was loaded, in which what it replaced is tidied up
PATIENCE = 300.0  # seconds for a file to be in force

MORE = """
  {key}:
    description: One of many
    owner: benchmark@example.com
    enabled: true
    rules: [{{ match: {{ segment: employees }}, serve: on }}]
    rollout: {{ audience: {audience}, bake: 14d, stages: [{{ percentage: {share}, approval: true }}, 100%] }}
"""
"""Their first stages wait for approval, so that no revisions come but those that are asked for."""

EDITS: dict[str, Callable[[str, int], str]] = {
    "all of them edited": lambda text, number: text.replace("bake: 14d", f"bake: {14 + number % 2}d"),
    "one of them edited": lambda text, number: text.replace("percentage: 25%", f"percentage: {20 + number % 2}%", 1),
}


@dataclass
class Rounds:
    """Milliseconds of each check, in order of size, a list a round."""

    quiet: list[list[float]] = field(default_factory=list)
    reload: list[list[float]] = field(default_factory=list)

    def ratio(self) -> float:
        return statistics.median(p99(two) / p99(one) for one, two in zip(self.quiet, self.reload, strict=True))


def measure(rounds: int = 5) -> Found:
    measured = {name: Rounds() for name in EDITS}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        service = rollout(Path(name), stack, flags=MANY, more=MORE, cores=BOTH_CORES)
        line = stack.enter_context(Line(service))
        check = request("GET", QUERY, service.key)
        file = Path(name) / "flags.yaml"
        text = file.read_text()
        settle(line, check)
        for number in range(rounds + 1):
            for edit, edited in EDITS.items():
                before = settle(line, check)
                quiet = asked(line, check, lasting(QUIET))
                file.write_text(edited(text, number + 1))
                reload = asked(line, check, served_after(before))
                if number:  # the first is to warm up
                    measured[edit].quiet.append(quiet)
                    measured[edit].reload.append(reload)
    rows = [row for edit, found in measured.items() for row in rows_of(edit, found)]
    targets = [
        (f"checks while {MANY:,} flags are loaded, {edit}: p99 of quiet p99", "≤ 2 ×", f"{found.ratio():.1f} ×")
        for edit, found in measured.items()
    ]
    return Found(rows, targets)


def settle(line: Line, check: bytes) -> int:
    """The revision, once it stays."""
    began = changed = time.monotonic()
    revision = 0
    while time.monotonic() < changed + SETTLED:
        now = revision_in(line.ask(check))
        if now != revision:
            revision, changed = now, time.monotonic()
        if changed > began + PATIENCE:
            raise RuntimeError(f"revisions go on and on: {revision}")
        time.sleep(0.05)
    return revision


def asked(line: Line, check: bytes, over: Callable[[bytes], bool]) -> list[float]:
    spans, due, ended = [], time.perf_counter(), False
    while not ended:
        due += EVERY
        time.sleep(max(0.0, due - time.perf_counter()))
        body = line.ask(check)
        spans.append((time.perf_counter() - due) * 1000)
        ended = over(body)
    return sorted(spans)


def lasting(seconds: float) -> Callable[[bytes], bool]:
    ends = time.monotonic() + seconds
    return lambda _: time.monotonic() > ends


def served_after(revision: int) -> Callable[[bytes], bool]:
    """And a little longer."""
    patience, seen = time.monotonic() + PATIENCE, [0.0]

    def over(body: bytes) -> bool:
        now = time.monotonic()
        if now > patience:
            raise RuntimeError(f"the edited file was not served within {PATIENCE:.0f} s")
        if not seen[0] and revision_in(body) > revision:
            seen[0] = now
        return bool(seen[0]) and now > seen[0] + AFTERWARDS

    return over


def rows_of(edit: str, found: Rounds) -> list[tuple[str, str]]:
    quiet, reload = sorted(chain.from_iterable(found.quiet)), sorted(chain.from_iterable(found.reload))
    return [
        (f"checks with {MANY:,} flags, quiet", spread(quiet)),
        (f"the same from when the file is saved until it is served, {edit}", spread(reload)),
    ]


def spread(spans: list[float]) -> str:
    middle = statistics.median(spans)
    return f"median {middle:.2f} ms, p99 {p99(spans):.2f} ms, the longest {spans[-1]:.1f} ms of {len(spans):,}"


if __name__ == "__main__":
    found = measure(*map(int, sys.argv[1:]))
    for row in [*found.rows, *found.targets]:
        print(*row, sep=" | ")
