"""How many people a second and core can be told whether they are in a cohort, against what else there is. Contenders
take the same Arrow column of ids and must admit the same people, in turns, round after round; a rate is people by
seconds of processor time of all threads, so that a second core counts against whoever uses it.

    python benchmarks/populations.py [--people 4000000] [--rounds 5] [--json]
    python benchmarks/populations.py --file 200000000 --folder /tmp   # a whole file, by the command line

Needs `rollout[batch]`. numba, polars-hash and duckdb are compared where they are installed, each under that name in the
package index; others are named as not compared.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when polars is imported

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet

from rollout.batch.cohorts import compile_cohort
from rollout.batch.frames import Frame
from rollout.batch.hashing import compiled_loop, hash_by_length, hash_text, salted
from rollout.core.attributes import Attribute, AttributeType
from rollout.core.flags import BOOLEAN_VARIANTS, ValueType
from rollout.core.members import pack_members
from rollout.core.ruleset import Admission, FlagRules, Ruleset
from rollout.core.segments import AttributeCondition, Compare, Match, MemberList, OneOf, Segment
from rollout.core.shares import EVERYBODY, Share

SALT = "payments"
SHARE = Share.parse("5%")
PART = 131_072
Admitted = Callable[[], int]
"""Counts who is in."""

FLAGS = """\
version: 1
attributes:
  user_id: { type: string }
flags:
  payments:
    description: Send money
    owner: payments@example.com
    enabled: true
    rollout: { stages: [5%, 100%] }
"""


def ids(people: int, *, same_length: bool) -> pa.Array:
    numbers = np.arange(people, dtype=np.int64) * 7919 % 1_000_000_007
    texts = pa.array(numbers + 10_000_000_000 if same_length else numbers >> (numbers % 5) * 3).cast(pa.string())
    return pc.binary_join_element_wise("u", texts, "-")


def parts(column: pa.Array) -> list[pa.Array]:
    return [column[begin : begin + PART] for begin in range(0, len(column), PART)]


def ours(column: pa.Array, ragged: Any) -> Admitted:
    threshold = np.uint32(SHARE.threshold)
    prefix = salted(SALT)
    return lambda: sum(int((hash_text(prefix, part, ragged) < threshold).sum()) for part in parts(column))


def mmh3_loop(column: pa.Array) -> Admitted:
    texts, threshold, prefix = column.to_pylist(), SHARE.threshold, f"{SALT}:"
    hashed = mmh3.hash

    def admitted() -> int:
        return sum(hashed(prefix + text, 0, False) < threshold for text in texts)

    return admitted


def polars(column: pa.Array) -> Admitted:
    import polars as pl  # noqa: PLC0415
    import polars_hash as plh  # noqa: PLC0415

    people = pl.from_arrow(pa.table({"id": column}))
    asked = plh.concat_str(pl.lit(f"{SALT}:"), plh.col("id")).nchash.murmur32() < SHARE.threshold
    return lambda: people.lazy().select(asked.sum()).collect().item()


def duckdb_loop(column: pa.Array) -> Admitted:
    """A function in Python, called for every row."""
    import duckdb  # noqa: PLC0415

    connection = _duckdb(duckdb, column)
    connection.create_function("place", lambda text: mmh3.hash(f"{SALT}:{text}", 0, False), ["VARCHAR"], "UINTEGER")
    return lambda: connection.execute(f"SELECT count(*) FROM people WHERE place(id) < {SHARE.threshold}").fetchone()[0]


def duckdb_arrow(column: pa.Array) -> Admitted:
    """A function in Python over Arrow vectors, with mmh3 in a loop inside."""
    import duckdb  # noqa: PLC0415

    connection = _duckdb(duckdb, column)

    def place(texts: Any) -> Any:
        hashed = [mmh3.hash(f"{SALT}:{text}", 0, False) for text in texts.to_pylist()]
        return pa.chunked_array([pa.array(hashed, pa.uint32())])

    connection.create_function("place", place, ["VARCHAR"], "UINTEGER", type="arrow")
    return lambda: connection.execute(f"SELECT count(*) FROM people WHERE place(id) < {SHARE.threshold}").fetchone()[0]


def _duckdb(duckdb: Any, column: pa.Array) -> Any:
    connection = duckdb.connect(config={"threads": "1"})
    connection.register("arrow", pa.table({"id": column}))
    connection.execute("CREATE TABLE people AS SELECT * FROM arrow")
    return connection


def whole_flag(column: pa.Array) -> Admitted:
    """Not hashing alone: employees from a list, a segment of two conditions on other columns, then the share."""
    size = len(column)
    countries = pa.DictionaryArray.from_arrays(pa.array(np.arange(size, dtype=np.int32) % 2), pa.array(["IN", "GB"]))
    versions = pa.DictionaryArray.from_arrays(
        pa.array(np.arange(size, dtype=np.int32) % 3), pa.array(["2.18.9", "2.18.8", "3.0"])
    )
    batch = pa.RecordBatch.from_arrays([column, countries, versions], names=["user_id", "country", "app_version"])
    cohort = compile_cohort(_founding(), SALT, {"staff": pack_members(f"u-{number}" for number in range(5000))})

    def admitted() -> int:
        frames = (Frame(batch.slice(begin, PART), cohort.attributes) for begin in range(0, size, PART))
        return sum(int(cohort.has(frame).sum()) for frame in frames)

    return admitted


def _founding() -> Ruleset:
    kinds = {"country": AttributeType.STRING, "app_version": AttributeType.VERSION}
    india = Match(
        (
            AttributeCondition("country", (OneOf(("IN",)),)),
            AttributeCondition("app_version", (Compare(((">=", "2.18.9"),)),)),
        )
    )
    segments = {
        "employees": Segment("employees", "", members=MemberList("employees.txt", "staff", 5000)),
        "india": Segment("india", "", (india,)),
    }
    admissions = (Admission("employees", EVERYBODY, "employees", True), Admission("india", SHARE, "5%", False))
    flag = FlagRules(
        key=SALT,
        type=ValueType.BOOLEAN,
        variants=BOOLEAN_VARIANTS,
        off="off",
        on="on",
        enabled=True,
        killed=False,
        requires=(),
        rules=(),
        admissions=admissions,
        salt=SALT,
        bucket_by="user_id",
        client=True,
        has_rollout=True,
    )
    attributes = {name: Attribute(name, kind) for name, kind in kinds.items()}
    return Ruleset(1, attributes, segments, {SALT: flag})


def contenders(column: pa.Array) -> Iterator[tuple[str, Admitted | None]]:
    """Name, and what to run; None where it is not installed."""
    yield "rollout with numpy", ours(column, hash_by_length)
    compiled = compiled_loop()
    yield "rollout with numba as well", ours(column, compiled) if compiled else None
    yield "mmh3 in a loop", mmh3_loop(column)
    for name, make, needs in (
        ("polars-hash", polars, "polars-hash"),
        ("DuckDB, a UDF in Python", duckdb_loop, "duckdb"),
        ("DuckDB, a UDF over Arrow", duckdb_arrow, "duckdb"),
    ):
        yield name, make(column) if _installed(needs) else None
    yield "rollout, a whole flag: list, segment, share", whole_flag(column)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def measure(people: int, rounds: int, *, same_length: bool) -> dict[str, list[float]]:
    """Millions of people a second and core, of every round."""
    column = ids(people, same_length=same_length)
    running = {name: admitted for name, admitted in contenders(column) if admitted}
    counts = {name: admitted() for name, admitted in running.items()}  # also warms up
    others = {name: count for name, count in counts.items() if "whole flag" not in name}
    if len(set(others.values())) != 1:
        raise SystemExit(f"they do not agree on who is in: {others}")
    rates: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, admitted in running.items():
            gc.collect()
            began = time.process_time()
            admitted()
            rates[name].append(people / (time.process_time() - began) / 1e6)
    return rates


def versions() -> dict[str, str]:
    names = ("numpy", "pyarrow", "numba", "mmh3", "polars", "polars-hash", "duckdb")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names if _installed(name)}


def report(results: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    kinds = list(results)
    yield f"| millions of people a second and core | {' | '.join(kinds)} |"
    yield "|---|" + "---:|" * len(kinds)
    for name in results[kinds[0]]:
        yield f"| {name} | {' | '.join(_spread(results[kind][name]) for kind in kinds)} |"


def _spread(rates: list[float]) -> str:
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"


def write_people(path: Path, people: int) -> None:
    writer = None
    for begin in range(0, people, 1_000_000):
        numbers = np.arange(begin, min(begin + 1_000_000, people), dtype=np.int64) * 7919 % 1_000_000_007
        texts = pc.binary_join_element_wise("u", pa.array(numbers).cast(pa.string()), "-")
        table = pa.table({"user_id": texts})
        writer = writer or pa_parquet.ParquetWriter(path, table.schema, use_dictionary=False)
        writer.write_table(table)
    if writer:
        writer.close()


def whole_file(people: int, folder: Path) -> dict[str, Any]:
    """`rollout cohort` as a process of its own: how long it takes, and how much memory at most."""
    flags, users, out = folder / "flags.yaml", folder / "users.parquet", folder / "cohort.parquet"
    flags.write_text(FLAGS)
    if not users.exists():
        write_people(users, people)
    command = [sys.executable, "-m", "rollout.cli", "cohort", "payments", "-f", str(flags), "--users", str(users)]
    results: dict[str, Any] = {"people": people, "file_mb": users.stat().st_size // 1_000_000}
    for name, more in {
        "counted": [],
        "only those who have it": ["--only-on", "-o", str(out)],
        "everybody": ["-o", str(out)],
    }.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run([*command, "--at", "5%", "--json", *more], check=True, capture_output=True)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        results[name] = {
            "on": json.loads(done.stdout)["on"],
            "seconds": round(seconds, 1),
            "processor_seconds": round(cpu, 1),
            "million_a_second_and_core": round(people / cpu / 1e6, 1),
            "most_memory_mb": after.ru_maxrss // 1024,  # the most of any child so far
        }
    return results


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=4_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", action="store_true")
    options.add_argument("--file", type=int, metavar="PEOPLE", help="a whole file of so many, by the command line")
    options.add_argument("--folder", type=Path, default=Path())
    given = options.parse_args()
    if given.file:
        print(json.dumps(whole_file(given.file, given.folder), indent=2))
        return
    results = {
        "ids of one length": measure(given.people, given.rounds, same_length=True),
        "ids of several": measure(given.people, given.rounds, same_length=False),
    }
    if given.json:
        print(json.dumps({"versions": versions(), "people": given.people, "rates": results}, indent=2))
        return
    print("\n".join(report(results)))
    missing = [name for name in ("numba", "polars-hash", "duckdb") if not _installed(name)]
    print(f"\nnot compared, since not installed: {', '.join(missing) or 'nothing'}")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))


if __name__ == "__main__":
    main()
