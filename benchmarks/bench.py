"""`make bench`: installs what is compared, measures everything in turn, prints one table and writes docs/benchmarks.md,
anew after every part, so that a run that is cut short leaves what it has measured.

    python benchmarks/bench.py [--rounds 5] [--seconds 2]
"""

from __future__ import annotations

import argparse
import time

import changes
import http_rates
import local_checks
import peers
import profile_path
import reloads
import report


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=2.0, help="of load, for each server and round")
    asked = options.parse_args()
    began = time.monotonic()
    not_installed = peers.install()
    written = report.Report(asked.rounds, asked.seconds, not_installed)
    say(began, "checks over HTTP")
    measured = http_rates.measure(asked.rounds, asked.seconds)
    written.add("http", http_rates.table(measured), http_rates.targets(measured))
    say(began, "local checks")
    local = local_checks.measured()
    written.add("local", local_checks.table(local["taken"]), local_checks.targets(local["taken"]))
    written.leave_out(local["refused"])
    say(began, "where the time goes")
    written.add("profile", profile_path.measure(), [])
    say(began, "beside itself")
    found = changes.measure()
    written.add("ourselves", changes.table(found), found.targets)
    say(began, "while many flags are loaded")
    found = reloads.measure(asked.rounds)
    written.add("reloads", changes.table(found), found.targets)
    print(written.summary())
    print(f"\ndocs/benchmarks.md written after {time.monotonic() - began:.0f} s.")


def say(began: float, part: str) -> None:
    print(f"{time.monotonic() - began:4.0f} s  {part}", flush=True)


if __name__ == "__main__":
    main()
