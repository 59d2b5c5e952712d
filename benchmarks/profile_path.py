"""Where the time of a check goes: the application called in its own process with an app's key, without a server around
it, with the fast path and without, by ever another person. The profiler makes small functions seem dearer than they
are: its shares say where to look; the microseconds, taken without it, what a check costs.

    python benchmarks/profile_path.py
"""

from __future__ import annotations

import cProfile
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from io import BytesIO, StringIO
from itertools import count, islice
from pathlib import Path
from typing import Any

from flask import Flask
from servers import SHARES, write_flags

from rollout.web.app import create_app

PEOPLE, ROUNDS, MOST = 400, 7, 6
BODY = '{"context":{"targetingKey":"u-%d","country":"IN","app_version":"3.0.0"}}'
WORKS = {
    "GET one flag": ("GET", "/v1/flags/payments"),
    "OFREP one flag": ("POST", "/ofrep/v1/evaluate/flags/payments"),
    "OFREP 100 flags": ("POST", "/ofrep/v1/evaluate/flags"),
}
Ask = Callable[[], None]


def environment(method: str, path: str, key: str, number: int) -> dict[str, Any]:
    body = b"" if method == "GET" else (BODY % number).encode()
    query = f"user_id=u-{number}&country=IN&app_version=3.0.0" if method == "GET" else ""
    said = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))} if body else {}
    return said | {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
    }


def asking(application: Any, work: str, key: str) -> Ask:
    method, path = WORKS[work]
    people = count()

    def answered(line: str, _: object) -> None:
        if not line.startswith("200"):
            raise RuntimeError(f"{work}: {line}")

    def ask() -> None:
        for number in islice(people, PEOPLE):
            b"".join(application(environment(method, path, key, number), answered))

    return ask


def microseconds(ask: Ask) -> float:
    began = time.thread_time()
    ask()
    return (time.thread_time() - began) / PEOPLE * 1e6


def costs(asks: dict[str, Ask]) -> dict[str, float]:
    """By name the median of rounds in turn."""
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for number in range(ROUNDS + 1):
        for name, ask in asks.items():
            spent = microseconds(ask)
            if number:  # the first is to warm up
                taken[name].append(spent)
    return {name: statistics.median(spans) for name, spans in taken.items()}


def dearest(ask: Ask) -> list[tuple[str, float]]:
    """Functions by the share of time that they take themselves."""
    profile = cProfile.Profile()
    profile.runcall(ask)
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(one[2] for one in stats.values())
    ranked = sorted(stats.items(), key=lambda one: -one[1][2])
    return [(named(*where), one[2] / total) for where, one in ranked if where[2] != "environment"][:MOST]


def named(file: str, _: int, function: str) -> str:
    if file == "~":
        return function.strip("<>").replace("built-in method ", "").replace("|", "\\|").partition(" of ")[0]
    path = Path(file)
    return f"{path.parent.name}/{path.stem}.{function}".replace("<", "").replace(">", "")


def measure() -> str:
    with tempfile.TemporaryDirectory() as name:
        os.environ["ROLLOUT_BENCH_FLAGS"] = str(write_flags(Path(name)))
        from flask_app import parts  # noqa: PLC0415  # reads the file when it is imported

    slow, fast = create_app(parts), create_app(replace(parts, fast=True))
    with redirect_stdout(StringIO()):  # the audit's log lines
        key = prepared(slow)
    return "\n\n".join(part(work, asking(fast, work, key), asking(slow, work, key)) for work in WORKS)


def prepared(application: Flask) -> str:
    """Flags at their first shares; the key of an app."""
    operator = application.test_client()

    def change(path: str, key: str = "", **body: str) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = operator.post(path, json=body | {"reason": "benchmark"}, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.text}")
        return answer.get_json()

    change("/v1/flags/payments/set", share="1%")
    for number in range(97):
        change(f"/v1/flags/flag-{number}/set", share=SHARES[number // 4 % 4])
    admin = change("/v1/keys", role="admin", name="benchmark")["secret"]
    key = str(change("/v1/keys", admin, role="client", name="benchmark")["secret"])
    deadline = time.monotonic() + 10
    while operator.get("/v1/flags/payments", headers={"X-API-Key": key}).status_code != 200:
        if time.monotonic() > deadline:
            raise RuntimeError("the key does not work")
        time.sleep(0.01)
    return key


def part(work: str, fast: Ask, slow: Ask) -> str:
    cost = costs({"fast": fast, "slow": slow})
    rows = [
        f"**{work}**: {cost['slow']:.0f} µs by Flask's routing, {cost['fast']:.0f} µs by the fast path "
        f"({cost['slow'] / cost['fast']:.1f} ×).",
        "",
        "| before, Flask's routing | of its time | after, the fast path | of its time |",
        "|---|--:|---|--:|",
    ]
    for (before, its), (after, ours) in zip(dearest(slow), dearest(fast), strict=False):
        rows.append(f"| `{before}` | {its:.0%} | `{after}` | {ours:.0%} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(measure())
