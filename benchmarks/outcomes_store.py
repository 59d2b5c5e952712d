"""What it costs a store to remember intents and to count outcomes: bytes an id, processor time and append-only file for
3,000 outcomes a second, with half an hour of them remembered.

    python benchmarks/outcomes_store.py [URL of a Redis that may be filled; default: an embedded store in a new folder]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from redis import Redis

from rollout.core.outcomes import Outcome, Side, fingerprint
from rollout.service.ports import Counted
from rollout.stores.embedded import EmbeddedStore
from rollout.stores.redis import RedisFlagStore

RATE = 3000  # outcomes a second
HALF_AN_HOUR = 1800 * RATE
BATCH = 500  # as workers send them
BANKS = [Outcome("payments", "upi-transfer", Side.ON, groups=(f"bank=B{n}",)).fields for n in range(30)]


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder, EmbeddedStore(Path(folder)) as store:
        measure(store.url)


def measure(url: str) -> None:
    store, raw = RedisFlagStore(url, "benchmark"), Redis.from_url(url)
    before = info(raw)
    print(f"{before.get('server_name', 'redis')} {before['redis_version']}, append-only: {before['aof_enabled']}")
    slowest, began = 0.0, time.monotonic()
    for start in range(0, HALF_AN_HOUR, BATCH):
        called = time.monotonic()
        new = store.count([counted(n) for n in range(start, start + BATCH)])
        slowest = max(slowest, time.monotonic() - called)
        assert new == BATCH
    took, after = time.monotonic() - began, info(raw)
    cpu = sum(after[name] - before[name] for name in ("used_cpu_user", "used_cpu_sys"))
    written = after.get("aof_current_size", 0) - before.get("aof_current_size", 0)
    print(f"{HALF_AN_HOUR:,} ids in {took:.0f} s, the slowest batch of {BATCH} in {slowest * 1000:.0f} ms")
    print(f"memory: {(after['used_memory'] - before['used_memory']) / HALF_AN_HOUR:.1f} bytes an id")
    print(f"processor: {cpu / HALF_AN_HOUR * RATE:.1%} of one core at {RATE:,} a second")
    print(f"append-only file: {written / 2**20:.0f} MiB after the run")


def counted(n: int) -> Counted:
    return Counted("payments", fingerprint("payments", "upi-transfer", f"intent-{n}"), BANKS[n % len(BANKS)])


def info(raw: Redis) -> dict[str, float]:
    return raw.info("all")


if __name__ == "__main__":
    main()
