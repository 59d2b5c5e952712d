"""docs/benchmarks.md: what was measured, against what is to be reached, with what, and what is not compared."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from machine import CONNECTIONS
from peers import PACKAGES, version

PATH = Path(__file__).parents[1] / "docs" / "benchmarks.md"
OURS = ("flask", "waitress", "mmh3", "orjson", "redis")

TOP = """\
# Benchmarks

Written by `make bench`, which installs what is compared by package name, ends by itself and writes this
page anew. {when}, {rounds} rounds of {seconds:g} s for each server and kind of request; {machine}.

Servers, clients and rounds take turns, so that what else the machine does falls on all of them: **read the ratios**. A
ratio is the median of the rounds' own ratios, never of figures from different minutes.
{busy}

## What is to be reached

{targets}
"""

HTTP = """\
## Checks over HTTP

`python benchmarks/http_rates.py`. One worker on one core, wrk on the other with {connections} connections that are kept
alive; the founding file and 97 flags more, a client's key with every request, ever another person. nginx answers the same
requests with a fixed 200 of the same size as one flag. "Flask's routing" is the same service with `--fast-path off`: its
front hands every request to waitress and Flask. gunicorn has one worker with four threads, the same application, flags and
keys, and no store.

{text}

The processor's time an answer takes is that of the processes which answer, without wrk's and the kernel's interrupts.
"""

LOCAL = """\
## Local checks in Python

`python benchmarks/local_checks.py`. A rule for a segment of one country, then 1 % of the people in another, from data in
memory: on or off for ever another person, who is nearly always refused. Nothing is sent anywhere. Each client is first
held to equal answers: all of the segment, nobody elsewhere, about 1 % of 5,000 people. Processor time of the thread that
asks, with a lambda around each client that gives it the person in its own form; 100 rounds.

{text}
"""

OURSELVES = """\
## Beside itself

`python benchmarks/changes.py`. A change is seen when a check, asked about once a millisecond of each worker, answers by it;
counted from when the change is sent over a connection of its own, so with what the store takes to keep and sync it. Memory
is a worker's own with its part of what processes share.

{text}
"""

RELOADS = """\
## While many flags are loaded

`python benchmarks/reloads.py`. One worker that serves 10,000 flags is asked a thousand times a second over one connection,
on the cores that the loading takes as well; each answer's time counts from when it was due, so that all feel a stall who
had to wait. The file is edited, for one of the flags or for all, and what is measured goes from there until it is served
and a little longer. Quiet and reloads take turns, and a ratio is the median of the rounds' own.

{text}
"""

PROFILE = """\
## Where the time of a check goes

`python benchmarks/profile_path.py`: the application called in its own process, without a server, by an app's key
and ever another person. Before is Flask's routing, after is the fast path. Shares are of the time within functions
themselves and by Python's profiler, which makes small functions seem dearer than they are. What is left of one flag is
spread over reading the caller's attributes, the key and the counters; of 100 flags a quarter is the evaluation, and
the rest joins and counts the page.

{text}
"""

NOT_COMPARED = """\
## Not compared

- The servers of flagd and GO Feature Flag, Flipt's too: their modules were not to be had by name from the Go module proxy
  (`go install …@latest` ended with "This module version is not available").
- Unleash Edge is not in a package index by name as a program; Unleash's own server needs a PostgreSQL beside it.
- flipt-client needs Flipt's server to begin: without one its engine ends the process.
- GrowthBook, LaunchDarkly, Statsig, Eppo, PostHog, ConfigCat and Flagsmith answer over the network from services of their
  own, or from a server with a database; only their Python packages are compared.
{more}
## Measured elsewhere

| what | how | where it is described |
|---|---|---|
| whole populations: people a second and core, beside mmh3 in a loop, polars-hash and DuckDB | `python benchmarks/populations.py` | [populations.md](populations.md) |
| streams: what 5,000 cost, how soon they are told | `python benchmarks/streams.py` | [streams.md](streams.md) |
| outcomes: 3,000 a second beside checks | `python benchmarks/outcomes_http.py` | [outcomes.md](outcomes.md) |
| outcomes: what they cost a store | `python benchmarks/outcomes_store.py` | [outcomes.md](outcomes.md) |
| the ruleset that clients fetch, with a million members | `python benchmarks/ruleset.py` | [python.md](python.md) |
| the Python client, call by call | `python benchmarks/client.py` | [python.md](python.md) |

All of these run with the Python of `.venv`.

## Versions

{versions}
"""

PARTS = {"http": HTTP, "local": LOCAL, "ourselves": OURSELVES, "reloads": RELOADS, "profile": PROFILE}


class Report:
    """Every part is written as soon as it is measured."""

    def __init__(self, rounds: int, seconds: float, not_installed: dict[str, str]) -> None:
        self.rounds, self.seconds = rounds, seconds
        self.when, self.load = datetime.now(UTC), os.getloadavg()[0]
        self.parts: dict[str, str] = {}
        self.targets: list[tuple[str, str, str]] = []
        self.not_compared = [f"{package} could not be installed: {why}" for package, why in not_installed.items()]

    def add(self, part: str, text: str, targets: list[tuple[str, str, str]]) -> None:
        self.parts[part] = PARTS[part].replace("{text}", text).replace("{connections}", str(CONNECTIONS))
        self.targets += targets
        self.write()

    def leave_out(self, refused: dict[str, str]) -> None:
        self.not_compared += [f"{name}: {why}" for name, why in refused.items()]
        self.write()

    def write(self) -> None:
        top = TOP.format(
            when=f"{self.when:%d %B %Y, %H:%M} UTC",
            rounds=self.rounds,
            seconds=self.seconds,
            machine=f"{os.cpu_count()} cores of {processor()}, {platform.system()} {platform.release().split('-')[0]}",
            busy=self.busy(),
            targets=self.summary(),
        )
        rest = "".join(f"- {one}.\n" for one in self.not_compared)
        end = NOT_COMPARED.replace("{more}", rest).replace("{versions}", versions())
        PATH.write_text("\n".join([top, *self.parts.values(), end]))

    def summary(self) -> str:
        rows = [f"| {what} | {least} | {found} |" for what, least, found in self.targets]
        return "\n".join(["| what | to be | is |", "|---|--:|--:|", *rows])

    def busy(self) -> str:
        if self.load < 0.5:
            return "Nothing else ran on the machine when it began."
        return (
            f"Others used the machine at the same time (a load of {self.load:.1f} when it began): rates are lower\n"
            "than alone, tails longer and ratios spread, since the one that needs more of the processor loses more of it."
        )


def processor() -> str:
    names = [line.partition(": ")[2] for line in cpu_lines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def versions() -> str:
    said = [f"Python {platform.python_version()}", program("nginx", "-v"), program("wrk", "-v")]
    said += [f"{name} {metadata.version(name)}" for name in OURS]
    said += [f"{name} {version(name)}" for name in PACKAGES]
    return ", ".join(said) + "."


def program(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.stderr + done.stdout).splitlines()[0].removeprefix("nginx version: ")
    return said.partition(" [")[0].partition(" Copyright")[0]
