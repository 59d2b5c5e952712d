"""3,000 outcomes a second in batches of 100 into one server, with checks beside them: whether each is counted exactly
once, and how much longer checks take than without.

    python benchmarks/outcomes_http.py [seconds with outcomes, default 60]

Phases with and without outcomes take turns, so that what else the machine does falls on both.
"""

from __future__ import annotations

import http.client
import multiprocessing
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson

from rollout.stores.redis import RedisFlagStore

ROOT = Path(__file__).parents[1]
RATE, BATCH = 3000, 100
CONNECTIONS = 4
PHASE = 10  # seconds
CHECK_EVERY = 0.005  # seconds
CHECK = "/v1/flags/payments?user_id=u-58&country=IN&app_version=3.0.0"
BANKS = ("SBI", "ICICI", "HDFC")


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address:
        check_for(address, 2, [])  # warm
        alone: list[float] = []
        beside: list[float] = []
        for phase in range(-(-seconds // PHASE)):
            alone += check_for(address, PHASE, [])
            senders = [(send, address, phase * CONNECTIONS + n, PHASE) for n in range(CONNECTIONS)]
            beside += check_for(address, PHASE, senders)
        sent = -(-seconds // PHASE) * PHASE * RATE
        print(f"sent {sent:,}, counted {counted(Path(folder), sent):,}")
        tell(alone, beside)


def tell(alone: list[float], beside: list[float]) -> None:
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        without, with_ = (sorted(taken)[int(share * len(taken))] * 1000 for taken in (alone, beside))
        print(f"{name} of checks: {without:.2f} ms alone, {with_:.2f} ms beside outcomes, {with_ / without:.2f} times")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    for name in ("flags.yaml", "employees.txt"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "rollout.cli", "serve", "--bind", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        ready = re.search(r"http://([^,]+),", process.stdout.readline())
        assert ready
        try:
            yield ready[1]
        finally:
            process.terminate()


def in_parallel(jobs: list[tuple[object, ...]]) -> list[multiprocessing.Process]:
    processes = [multiprocessing.Process(target=job, args=arguments) for job, *arguments in jobs]
    for process in processes:
        process.start()
    return processes


def check_for(address: str, seconds: float, senders: list[tuple[object, ...]]) -> list[float]:
    """Seconds that each check took, while these send."""
    processes = in_parallel(senders)
    connection, taken = http.client.HTTPConnection(address), []
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        connection.request("GET", CHECK)
        connection.getresponse().read()
        taken.append(time.monotonic() - began)
        time.sleep(CHECK_EVERY)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return taken


def send(address: str, name: int, seconds: int) -> None:
    """This connection's part of the rate, in time with a clock and not with the answers."""
    connection, began = http.client.HTTPConnection(address), time.monotonic()
    for number in range(seconds * RATE // BATCH // CONNECTIONS):
        time.sleep(max(0.0, began + number * BATCH * CONNECTIONS / RATE - time.monotonic()))
        body = orjson.dumps([outcome(f"{name}-{number}-{n}", n) for n in range(BATCH)])
        connection.request("POST", "/v1/outcomes", body, {"Content-Type": "application/json"})
        said = orjson.loads(connection.getresponse().read())
        assert said == {"accepted": BATCH, "refused": [], "warnings": []}, said


def outcome(intent: str, n: int) -> dict[str, object]:
    return {"flag": "payments", "metric": "upi-transfer", "ok": True, "by": {"bank": BANKS[n % 3]}, "id": intent}


def counted(folder: Path, sent: int) -> int:
    """All that was counted without a group, a little later than it is what was sent or ten seconds have passed."""
    with closing(RedisFlagStore(f"unix://{folder}/.rollout/store/store.sock")) as store:
        deadline = time.monotonic() + 10
        while total_of(store) < sent and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(3)  # for what should not come
        return total_of(store)


def total_of(store: RedisFlagStore) -> int:
    minute = store.read([]).now_ms // 60_000
    minutes = store.outcome_counts("payments", minute - 100, minute).values()
    return sum(counts.get("upi-transfer\x1fon\x1f\x1f", 0) for counts in minutes)


if __name__ == "__main__":
    main()
