"""Checks over HTTP: this service, the same with Flask's routing, Flask under gunicorn, and nginx with a fixed answer as
the yardstick. One worker has one core, wrk the other. All take turns, round after round; a ratio is the median of the
rounds' own ratios.

    python benchmarks/http_rates.py [rounds] [seconds each]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from machine import CONNECTIONS, Contender, Load, Measured, checks, evaluations, wrk
from servers import FLASK, GUNICORN, NGINX, OURS, contenders

CONTEXT = '{"context":{"targetingKey":"%s","country":"IN","app_version":"3.0.0"}}'
CHECK, ONE, ALL = "/v1/flags/payments", "/ofrep/v1/evaluate/flags/payments", "/ofrep/v1/evaluate/flags"
LOADS = {
    "GET one flag": checks(CHECK),
    "OFREP one flag": evaluations(ONE, CONTEXT),
    "OFREP 100 flags": evaluations(ALL, CONTEXT),
}
ALONE = "GET one flag, one connection"
HEADER = (
    "| work | server | answers/s (lowest–highest) | of nginx (lowest–highest) | rollout is × of it | p50 ms | p99 ms "
    "| µs of processor |\n|---|---|--:|--:|--:|--:|--:|--:|"
)
TARGETS = (  # work, compared with, at least
    ("GET one flag", NGINX, 0.40),
    ("GET one flag", FLASK, 8.0),
    ("GET one flag", GUNICORN, 10.0),
    ("OFREP one flag", NGINX, 0.38),
    ("OFREP 100 flags", NGINX, 0.20),
    ("OFREP 100 flags", FLASK, 7.0),
)

Taken = Mapping[str, Sequence[Measured]]


def measure(rounds: int = 5, seconds: float = 2.0) -> dict[str, Taken]:
    """By work and server, what each round measured."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # nginx' worker is nobody
        found = dict(contenders(folder, stack))
        taken = {work: in_turns(found, load, rounds, seconds, folder) for work, load in LOADS.items()}
        few = {server: found[server] for server in (NGINX, OURS)}
        return taken | {ALONE: in_turns(few, LOADS["GET one flag"], rounds, seconds, folder, connections=1)}


def in_turns(
    found: Mapping[str, Contender],
    load: Load,
    rounds: int,
    seconds: float,
    folder: Path,
    *,
    connections: int = CONNECTIONS,
) -> Taken:
    taken: dict[str, list[Measured]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for name, one in found.items():
            measured = wrk(one, load, seconds if number else 1.0, folder, connections)
            if measured.errors:
                raise RuntimeError(f"{name} refused {measured.errors} of the requests")
            if number:  # the first is to warm up
                taken[name].append(measured)
    return taken


def ratios(of: Sequence[Measured], to: Sequence[Measured]) -> list[float]:
    """In order of size: of each round, how many times the rate of the other."""
    return sorted(mine.rate / theirs.rate for mine, theirs in zip(of, to, strict=True))


def line(work: str, name: str, taken: Taken) -> str:
    rounds = taken[name]
    rates = sorted(one.rate for one in rounds)
    of_nginx, times = ratios(rounds, taken[NGINX]), statistics.median(ratios(taken[OURS], rounds))
    p50, p99, cost = (statistics.median(getattr(one, field) for one in rounds) for field in ("p50", "p99", "cost"))
    return (
        f"| {work} | {name} | {statistics.median(rates):,.0f} ({rates[0]:,.0f}–{rates[-1]:,.0f}) "
        f"| {statistics.median(of_nginx):.3f} ({of_nginx[0]:.3f}–{of_nginx[-1]:.3f}) | {times:.2f} "
        f"| {p50:.2f} | {p99:.2f} | {cost:.1f} |"
    )


def table(measured: Mapping[str, Taken]) -> str:
    return "\n".join([HEADER, *(line(work, name, taken) for work, taken in measured.items() for name in taken)])


def targets(measured: Mapping[str, Taken]) -> list[tuple[str, str, str]]:
    """What is to be reached, the figure, and how far it is."""
    rows = []
    for work, other, least in TARGETS:
        ratio = statistics.median(ratios(measured[work][OURS], measured[work][other]))
        rows.append((f"{work}: rate of {other}", f"≥ {least:g} ×", f"{ratio:.2f} ×"))
    busy, alone = measured["GET one flag"][OURS], measured[ALONE][OURS]
    tail = statistics.median(one.p99 / one.p50 for one in busy)
    rows.append(("GET one flag: p99 of p50", "≤ 4 ×", f"{tail:.1f} ×"))
    rows.append((f"{ALONE}: p50", "≤ 0.25 ms", f"{statistics.median(one.p50 for one in alone):.2f} ms"))
    return rows


if __name__ == "__main__":
    results = measure(*(int(argument) for argument in sys.argv[1:]))
    print(table(results))
    for row in targets(results):
        print(*row, sep=" | ")
