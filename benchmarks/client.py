"""What an answer of the Python client costs: a segment rule before a 1 % share, the founding case. Prints nanoseconds,
the best of many rounds, for people who stay the same and for ever new ones.

    .venv/bin/python benchmarks/client.py
"""

from __future__ import annotations

import itertools
import tempfile
import timeit
from dataclasses import replace
from pathlib import Path

from rollout.bootstrap.flags_file import read_flags
from rollout.client import Rollout
from rollout.client.editions import edition_of
from rollout.core.ruleset import Admission
from rollout.core.shares import EVERYBODY, Share

FLAGS = """\
version: 1
attributes:
  user_id: { type: string }
  country: { type: string }
  app_version: { type: version }
segments:
  testers: { description: d, match: { country: NO } }
  india: { description: d, match: { country: IN, app_version: ">=2.18.0" } }
flags:
  payments:
    description: d
    owner: o@example.com
    enabled: true
    rollout: { audience: india, stages: [testers, 1%] }
"""
ROUNDS, CALLS = 1000, 500  # short rounds, so that some are disturbed by nothing


def client() -> Rollout:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.yaml"
        path.write_text(FLAGS)
        flags = Rollout.from_file(path)
        ruleset, members = read_flags(path)
    admissions = (
        Admission("testers", EVERYBODY, "testers", by_segment=True),
        Admission("india", Share.parse("1%"), "1%", by_segment=False),
    )
    rules = replace(ruleset.flags["payments"], admissions=admissions)
    flags._accept(edition_of(replace(ruleset, flags={"payments": rules}), members))
    return flags


def nanoseconds(statement: str, names: dict[str, object]) -> float:
    return min(timeit.repeat(statement, globals=names, number=CALLS, repeat=ROUNDS)) / CALLS * 1e9


def main() -> None:
    flags = client()
    people = itertools.cycle([f"u-{number}" for number in range(100_000)])
    names: dict[str, object] = {"flags": flags, "next_one": people.__next__}
    asked = 'user_id={}, country="IN", app_version="2.18.9"'
    for call in ("is_on", "value", "variant", "details"):
        same = nanoseconds(f'flags.{call}("payments", {asked.format(repr("u-1"))})', names)
        print(f"{call:8} {same:6.0f} ns")
    drawing = nanoseconds("next_one()", names)
    new = nanoseconds(f'flags.is_on("payments", {asked.format("next_one()")})', names) - drawing
    print(f"is_on    {new:6.0f} ns, people who differ")
    one = nanoseconds('flags.is_on("payments", user_id="u-1", country="NO")', names)
    print(f"is_on    {one:6.0f} ns, admitted by the segment")
    call = nanoseconds('f("payments", user_id="u-1", country="IN", app_version="2.18.9")', {"f": lambda key, **_: key})
    print(f"a call   {call:6.0f} ns, of a function that does nothing")


if __name__ == "__main__":
    main()
