"""Checks go on, marked stale, whatever becomes of the store; and all is well again by itself when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
from servekit import OwnStore, Service, eventually, hanging

STORE_DEADLINE = 0.5  # seconds: what every check would take that waited for a store that hangs


@pytest.fixture
def service(service_in: Callable[..., Service], own_store: OwnStore) -> Service:
    """Running on the test's own store; payments is on for the employee."""
    service = service_in(own_store.folder.parent / "site", redis_url=own_store.url).start()
    service.change("payments", "set", share="1%")
    eventually(lambda: answers(service, stale=False))
    return service


def answers(service: Service, *, stale: bool, on: bool = True) -> bool:
    return service.every_worker(lambda: (service.check()["on"], service.check()["stale"]) == (on, stale))


def usual_check(service: Service, checks: int) -> float:
    """The median, in seconds: a noisy machine delays some checks, waiting would delay all of them."""
    taken = []
    for _ in range(checks):
        began = time.monotonic()
        assert service.check()["on"] is True
        taken.append(time.monotonic() - began)
    return median(taken)


def test_while_the_store_hangs_checks_go_on_at_once_and_say_that_they_are_stale(service: Service, own_store: OwnStore):
    with hanging(own_store.pid):
        assert usual_check(service, 300) < STORE_DEADLINE / 2
        eventually(lambda: answers(service, stale=True))
    eventually(lambda: answers(service, stale=False))


def test_while_the_store_is_gone_checks_go_on_and_a_change_made_afterwards_arrives(
    service: Service, own_store: OwnStore
):
    own_store.kill()
    assert usual_check(service, 100) < STORE_DEADLINE / 2
    eventually(lambda: answers(service, stale=True))
    assert "cannot be reached" in service.ask("/readyz").document["trouble"]
    own_store.start()
    eventually(lambda: answers(service, stale=False))
    service.change("payments", "kill")
    eventually(lambda: answers(service, stale=False, on=False))


@pytest.mark.parametrize("how", ["gone", "hanging"])
def test_a_start_without_the_store_serves_the_snapshot_on_disk(service: Service, own_store: OwnStore, how: str):
    assert service.interrupt() == 0
    if how == "gone":
        own_store.kill()
        service.start()
        assert answers(service, stale=True)
        own_store.start()
    else:
        with hanging(own_store.pid):
            service.start()
            assert answers(service, stale=True)
    eventually(lambda: answers(service, stale=False))


def test_a_kill_of_the_service_loses_no_snapshot(service: Service, own_store: OwnStore):
    snapshot = service.folder / ".rollout" / "snapshot.json"
    eventually(lambda: b'"revision":3' in snapshot.read_bytes())
    service.kill()
    own_store.kill()
    service.start()
    assert answers(service, stale=True)
    own_store.start()


def test_an_edit_made_while_the_store_is_away_is_loaded_when_it_is_back(service: Service, own_store: OwnStore):
    own_store.kill()
    service.flags_file.write_text(service.flags_file.read_text().replace("Send money to", "Give money to"))
    eventually(lambda: service.file_report()["state"] == "waiting")
    own_store.start()
    eventually(lambda: service.file_report()["state"] == "in force")
    assert [entry["action"] for entry in service.audit()] == ["load", "set", "enter", "load"]


def test_a_first_start_without_the_store_is_ready_as_soon_as_it_is_there(
    service_in: Callable[..., Service], own_store: OwnStore
):
    own_store.kill()
    service = service_in(own_store.folder.parent / "new", redis_url=own_store.url).launch()
    eventually(lambda: "waiting" in service.said())
    assert service.printed() == ""
    own_store.start()
    eventually(lambda: "3 flags, revision 2" in service.printed())


def test_a_store_that_lost_its_data_is_not_followed_and_not_written_to(service: Service, own_store: OwnStore):
    own_store.kill()
    for path in (own_store.folder / "appendonlydir").iterdir():
        path.unlink()
    own_store.start()
    eventually(lambda: answers(service, stale=True))
    service.flags_file.write_text(service.flags_file.read_text().replace("Send money to", "Give money to"))
    eventually(lambda: service.file_report()["state"] == "waiting")
    assert "the store is behind" in service.ask("/readyz").document["trouble"]
    assert answers(service, stale=True)
