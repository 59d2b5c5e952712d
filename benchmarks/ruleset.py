"""What a ruleset of 1,000 flags and a million members weighs on the way, and what a check waits for while it goes
out of a worker with one thread. Starts a service of its own in a temporary folder.

    .venv/bin/python benchmarks/ruleset.py
"""

from __future__ import annotations

import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

FLAGS, MEMBERS = 1000, 1_000_000
SECONDS = 5.0


def write_files(folder: Path) -> None:
    (folder / "testers.txt").write_text("\n".join(f"u-{number * 37 % 10**9:09}" for number in range(MEMBERS)))
    flags = "".join(
        f"  flag-{number}:\n    description: One\n    owner: team-{number % 20}@example.com\n    enabled: true\n"
        f"    rollout: {{ audience: india, bake: 7d, stages: [testers, 1%, 5%, 25%, 100%] }}\n"
        for number in range(FLAGS)
    )
    (folder / "flags.yaml").write_text(
        "version: 1\nattributes:\n"
        "  user_id: { type: string }\n  country: { type: string }\n  app_version: { type: version }\n"
        "segments:\n  testers: { description: d, members: { file: testers.txt } }\n"
        '  india: { description: d, match: { country: IN, app_version: ">=2.18" } }\nflags:\n' + flags
    )


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    words = [sys.executable, "-m", "rollout.cli", "serve", "--bind", "127.0.0.1:0", "--workers", "1"]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(rb"ready on http://(\S+),", line):
            return process, found[1].decode()
    raise SystemExit("the service did not start")


def fetch(address: str, path: str, *, gzip: bool = True) -> tuple[int, bytes, http.client.HTTPMessage, float]:
    connection = http.client.HTTPConnection(address, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"} if gzip else {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body, response.headers, (time.perf_counter() - began) * 1000


def check_times(address: str, meanwhile: Callable[[], object]) -> list[float]:
    """Milliseconds of checks, one after the other over one connection, while `meanwhile` is done again and again."""
    stop = threading.Event()

    def again() -> None:
        while not stop.is_set():
            meanwhile()

    other = threading.Thread(target=again)
    other.start()
    connection = http.client.HTTPConnection(address, timeout=60)
    times: list[float] = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        began = time.perf_counter()
        connection.request("GET", "/v1/flags/flag-1?user_id=u-1&country=IN&app_version=2.18.9")
        connection.getresponse().read()
        times.append((time.perf_counter() - began) * 1000)
    stop.set()
    other.join()
    return times


def said(name: str, times: list[float]) -> None:
    ordered = sorted(times)
    print(
        f"checks {name:34} p50 {statistics.median(ordered):6.2f} ms, p99 {ordered[int(len(ordered) * 0.99)]:6.2f} ms, "
        f"longest {ordered[-1]:6.1f} ms"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        process, address = start(folder)
        try:
            measure(address)
        finally:
            process.terminate()
            process.wait()


def measure(address: str) -> None:
    _, body, headers, took = fetch(address, "/v1/ruleset")
    etag = headers["ETag"].strip('"')
    print(f"ruleset, compressed     {len(body):>10,} bytes, {took:6.1f} ms the first time")
    print(f"ruleset, as it is       {len(fetch(address, '/v1/ruleset', gzip=False)[1]):>10,} bytes")
    document = json.loads(fetch(address, "/v1/ruleset", gzip=False)[1])
    [digest] = [one["members"]["digest"] for one in document["segments"] if "members" in one]
    members = f"/v1/ruleset/members/{digest}"
    began = time.monotonic()
    while fetch(address, members)[0] == 503:
        time.sleep(0.05)
    print(f"members, compressed after {time.monotonic() - began:.1f} s")
    print(f"members, compressed     {len(fetch(address, members)[1]):>10,} bytes")
    print(f"members, as they are    {len(fetch(address, members, gzip=False)[1]):>10,} bytes")
    connection = http.client.HTTPConnection(address)
    body_ = json.dumps({"reason": "a measurement"})
    connection.request("POST", "/v1/flags/flag-7/kill", body_, {"Content-Type": "application/json"})
    connection.getresponse().read()
    while (
        "since" not in (news := json.loads(fetch(address, f"/v1/ruleset?have={etag}", gzip=False)[1]))
        or not news["flags"]
    ):
        time.sleep(0.02)
    print(f"news of one flag        {len(fetch(address, f'/v1/ruleset?have={etag}')[1]):>10,} bytes")
    said("beside nothing", check_times(address, lambda: time.sleep(0.01)))
    said("beside checks", check_times(address, lambda: fetch(address, "/v1/flags/flag-2?user_id=u-2")))
    said("beside rulesets", check_times(address, lambda: fetch(address, "/v1/ruleset")))
    said("beside compressed members", check_times(address, lambda: fetch(address, members)))
    said("beside members as they are", check_times(address, lambda: fetch(address, members, gzip=False)))


if __name__ == "__main__":
    main()
