"""Forty people and an editor change things at the same time, as real processes do: nothing acknowledged is lost or done
twice, and the record adds up to what is served."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from servekit import OwnStore, Service, eventually

from rollout.service.encoding import decode_state
from rollout.service.replay import replay
from rollout.stores.redis import RedisFlagStore

WRITERS = 40
PATIENCE = 300  # seconds
CONFLICT = 5  # the exit code


def test_every_acknowledged_change_is_in_the_audit_exactly_once_and_the_audit_adds_up(
    service_in, own_store: OwnStore, tmp_path
):
    service: Service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    with ThreadPoolExecutor(WRITERS) as people:
        writers = [people.submit(write, service, number) for number in range(WRITERS)]
        edits = [edit(service, number) for number in range(5)]
        acknowledged = [writer.result() for writer in writers]
    changed = [answer for answer in acknowledged if "error" not in answer and answer["changed"]]
    sets = [answer for answer in changed if answer["action"] == "set"]
    unchanged = [answer for answer in acknowledged if answer not in changed]
    assert len(sets) == sum(number % 4 != 0 for number in range(WRITERS)), unchanged

    store = RedisFlagStore(own_store.url)
    lines = store.audit(limit=10_000)
    entries = [orjson.loads(line) for line in lines]
    by_request = Counter(entry["request_id"] for entry in entries)
    assert [entry["revision"] for entry in entries] == list(range(1, len(entries) + 1))
    assert all(by_request[answer["request_id"]] == 1 for answer in changed)
    assert all(entries[answer["revision"] - 1]["request_id"] == answer["request_id"] for answer in changed)
    assert sum(entry["action"] == "load" for entry in entries) <= len(edits) + 1
    assert replay(lines, store.blob) == decode_state(store.read())
    eventually(lambda: service.every_worker(lambda: service.check()["revision"] == store.revision()))
    store.close()


def write(service: Service, number: int) -> dict[str, Any]:
    """One person, who looks again and repeats the command when somebody else was quicker."""
    stop = "kill" if number % 8 else "revive"
    words = ["set", "payments", f"0.{number + 1}%"] if number % 4 else [stop, "payments"]
    options = ["--json", "--no-wait", "-y", "--url", f"http://{service.address}"]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        run = subprocess.run(
            [sys.executable, "-m", "rollout.cli", *words, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        if run.returncode != CONFLICT:
            break
    answer: dict[str, Any] = orjson.loads(run.stdout)
    return answer


def edit(service: Service, number: int) -> str:
    text = service.flags_file.read_text()
    before = "Send money to a person" if number == 0 else f"Edition {number - 1}"
    service.flags_file.write_text(text.replace(before, f"Edition {number}"))
    eventually(lambda: service.file_report()["state"] == "in force")
    return f"Edition {number}"
