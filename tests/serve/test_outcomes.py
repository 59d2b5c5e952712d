"""Outcomes through real processes: whatever becomes of the store meanwhile, each intent that was accepted is counted
exactly once."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servekit import PATIENCE, OwnStore, Service, eventually, hanging

from rollout.stores.redis import RedisFlagStore

SENDERS = 4
BATCHES = 10  # of each sender
BATCH = 100
REPEATED = 10  # of each batch were in the batch before too
BANKS = ("SBI", "ICICI", "HDFC")
BANK = {name: f"upi-transfer\x1fon\x1fbank={name}\x1f" for name in BANKS}
TOTAL = "upi-transfer\x1fon\x1f\x1f"


@pytest.fixture
def service(service_in: Callable[..., Service], own_store: OwnStore) -> Service:
    return service_in(own_store.folder.parent / "site", redis_url=own_store.url).start()


def batch(sender: int, number: int) -> list[dict[str, Any]]:
    first = number * (BATCH - REPEATED)
    return [outcome(f"{sender}-{n}", n) for n in range(first, first + BATCH)]


def outcome(intent: str, n: int) -> dict[str, Any]:
    failed = {"class": "technical"} if n % 10 == 0 else {}
    bank = BANKS[n % len(BANKS)]
    return {
        "flag": "payments",
        "metric": "upi-transfer",
        "ok": not failed,
        "by": {"bank": bank},
        "id": intent,
        **failed,
    }


def expected() -> Counter[str]:
    """Of all batches of all senders, each intent once."""
    counts: Counter[str] = Counter()
    for n in range(BATCHES * (BATCH - REPEATED) + REPEATED):
        failure = "technical" if n % 10 == 0 else ""
        counts[TOTAL + failure] += SENDERS
        counts[BANK[BANKS[n % len(BANKS)]] + failure] += SENDERS
    return counts


def send(service: Service, sender: int) -> None:
    """All batches of one sender over one connection, as a careful back end does: in order, each until it was taken."""
    connection = http.client.HTTPConnection(service.address, timeout=PATIENCE)
    for number in range(BATCHES):
        body = json.dumps(batch(sender, number))
        connection.request("POST", "/v1/outcomes", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        said = json.loads(response.read())
        assert (response.status, said) == (200, {"accepted": BATCH, "refused": [], "warnings": []})
    connection.close()


def send_all(service: Service) -> None:
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(lambda sender: send(service, sender), range(SENDERS)))


def counted(own_store: OwnStore) -> Counter[str]:
    store = RedisFlagStore(own_store.url)
    try:
        minute = store.read([]).now_ms // 60_000
        minutes = store.outcome_counts("payments", minute - 30, minute)
        return sum(map(Counter, minutes.values()), Counter())
    finally:
        store.close()


def buffered(service: Service) -> int:
    connection = http.client.HTTPConnection(service.address, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return next(int(float(line.split()[1])) for line in lines if line.startswith("rollout_outcomes_buffered "))


def test_what_several_connections_report_is_counted_exactly(service: Service, own_store: OwnStore):
    send_all(service)
    eventually(lambda: counted(own_store) == expected())
    send_all(service)  # as if all answers had been lost
    eventually(lambda: buffered(service) == 0)
    assert counted(own_store) == expected()


def test_what_is_reported_while_the_store_hangs_is_counted_exactly_when_it_wakes(service: Service, own_store: OwnStore):
    with hanging(own_store.pid):
        send_all(service)
        assert service.check()["flag"] == "payments"
    eventually(lambda: counted(own_store) == expected())
    eventually(lambda: buffered(service) == 0)


def test_what_is_reported_while_the_store_is_gone_is_counted_exactly_when_it_is_back(
    service: Service, own_store: OwnStore
):
    own_store.kill()
    send_all(service)
    eventually(lambda: buffered(service) == SENDERS * BATCHES * BATCH)
    own_store.start()
    eventually(lambda: counted(own_store) == expected())


def test_what_was_accepted_is_handed_over_when_the_service_stops(service: Service, own_store: OwnStore):
    send_all(service)
    assert service.interrupt() == 0
    assert counted(own_store) == expected()


def test_what_is_lost_when_a_worker_ends_without_a_store_is_said(service: Service, own_store: OwnStore):
    own_store.kill()
    send_all(service)
    assert service.interrupt() == 0
    assert "outcomes that it accepted are lost" in service.said()
    own_store.start()
    assert counted(own_store) == Counter()
