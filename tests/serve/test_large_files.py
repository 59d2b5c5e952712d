"""Files as large as they get: 10,000 flags in about 140,000 lines, and a million members."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from servekit import Service, eventually

FLAG = """\
  flag-{n}:
    description: Flag number {n}, in as many lines as flags have
    owner: team-{team}@example.com
    enabled: true
    tags: [team-{team}]
    rules:
      - match:
          country: [{country}]
          app_version: ">={major}.2.0"
        serve: on
    rollout:
      audience: india
      stages: [1%, 5%, 25%, 100%]

"""
HEAD = """\
version: 1
attributes:
  user_id: {{ type: string }}
  country: {{ type: string, values: [IN, GB, US] }}
  app_version: {{ type: version }}
segments:
  india: {{ description: "{what}", match: {{ country: IN }} }}
flags:
"""


def large_file(flags: int, what: str) -> str:
    body = (FLAG.format(n=n, team=n % 50, country=("GB", "US")[n % 2], major=n % 9) for n in range(flags))
    return HEAD.format(what=what) + "".join(body)


class Checker:
    """Checks again and again meanwhile, and keeps how long each took."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = threading.Event()
        self.seconds: list[float] = []

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1)
        self._checking = self._pool.submit(self._check)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._checking.result()

    def _check(self) -> None:
        while not self._stop.wait(0.005):
            began = time.monotonic()
            assert self._service.check("flag-7", country="US", app_version="9.0")["on"] is True
            self.seconds.append(time.monotonic() - began)


def test_ten_thousand_flags_load_while_checks_go_on(service: Service, capsys):
    service.flags_file.write_text(large_file(10, "few"))
    service.start()
    text = large_file(10_000, "many")
    assert 135_000 < text.count("\n") < 145_000
    with Checker(service) as checker:
        began = time.monotonic()
        service.flags_file.write_text(text)
        eventually(lambda: service.every_worker(lambda: service.ask("/v1/flags/flag-9999").status == 200), patience=60)
        seconds = time.monotonic() - began
    latencies = sorted(checker.seconds)
    with capsys.disabled():
        print(
            f"\n10,000 flags: served by all after {seconds:.1f} s; {len(latencies)} checks meanwhile, "
            f"median {latencies[len(latencies) // 2] * 1000:.1f} ms, worst {latencies[-1] * 1000:.0f} ms"
        )
    assert service.file_report()["state"] == "in force"


def test_a_million_members_cost_a_worker_less_than_100_mb(service: Service, capsys):
    members = service.folder / "employees.txt"
    service.start()
    before = [resident(pid) for pid in service.worker_pids()]
    members.write_text("".join(f"user-{n:09}\n" for n in range(1_000_000)))
    service.change("payments", "set", share="1%")
    asked = {"user_id": "user-000999999", "country": "GB"}
    eventually(lambda: service.every_worker(lambda: service.check(**asked)["on"]), patience=60)
    after = [resident(pid) for pid in service.worker_pids()]
    grown = max(now - then for now, then in zip(after, before, strict=True))
    with capsys.disabled():
        print(f"\na million members: each worker had {max(before):.0f} MB and has {max(after):.0f} MB")
    assert grown < 100


def resident(pid: int) -> float:
    """Megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1_000_000
