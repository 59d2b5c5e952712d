"""Two servers on one Redis, each with its own copy of the file: the same content is loaded once, and different content
is an error for everybody to see and no fight."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servekit import OwnStore, Service, eventually


@pytest.fixture
def servers(service_in: Callable[..., Service], own_store: OwnStore, tmp_path: Path) -> tuple[Service, Service]:
    first, second = (service_in(tmp_path / name, redis_url=own_store.url, workers=1).launch() for name in ("a", "b"))
    for service in (first, second):
        service.wait_until_ready()
    return first, second


def edit(service: Service, to: str) -> None:
    text = service.flags_file.read_text()
    service.flags_file.write_text(text.replace("Send money to a person over UPI", to))


def states(servers: tuple[Service, Service]) -> list[str]:
    return [service.file_report()["state"] for service in servers]


def described(service: Service) -> str:
    return service.ask("/v1/status/payments").document["description"]


def test_the_same_content_is_loaded_once(servers: tuple[Service, Service]):
    first, second = servers
    assert [entry["action"] for entry in first.audit()] == ["enter", "load"]
    for service in servers:
        edit(service, "the new text")
    eventually(lambda: [described(service) for service in servers] == ["the new text"] * 2)
    eventually(lambda: states(servers) == ["in force", "in force"])
    assert [entry["action"] for entry in second.audit()] == ["load", "enter", "load"]


def test_different_content_is_an_error_to_see_and_no_fight(servers: tuple[Service, Service]):
    first, second = servers
    edit(second, "theirs")
    eventually(lambda: states(servers) == ["out of step", "in force"])
    revision = second.status()["revision"]
    watch_until = time.monotonic() + 2
    while time.monotonic() < watch_until:
        assert states(servers) == ["out of step", "in force"]
        assert first.status()["revision"] == revision
        time.sleep(0.1)
    assert [described(service) for service in servers] == ["theirs", "theirs"]

    told = second.command("status")  # also by the server that is not concerned
    assert "this copy differs" in told.stderr
    assert told.returncode == 0

    assert second.interrupt() == 0
    assert first.interrupt() == 0
    first.start()
    assert (described(first), first.status()["revision"]) == ("theirs", revision)

    edit(first, "theirs")
    eventually(lambda: first.file_report()["state"] == "in force")
    assert first.status()["revision"] == revision


def test_servers_that_count_people_by_different_keys_are_found(servers: tuple[Service, Service]):
    first, second = servers
    (found,) = eventually(lambda: hashing_apart(first))
    assert all(service.address.rpartition(":")[2] in found["says"] for service in servers)
    keys = [(service.folder / ".rollout" / "subjects.key").read_text().strip() for service in servers]
    assert len(set(keys)) == 2
    said = str(first.ask("/v1/doctor").document) + str(first.status())
    assert not [key for key in keys if key[:16] in said]
    second.options["bind"] = second.address  # where it comes back, under the same name
    second.interrupt()
    (second.folder / ".rollout" / "subjects.key").write_text(keys[0])
    second.start()
    eventually(lambda: not hashing_apart(first))


def hashing_apart(service: Service) -> list[dict]:
    checks = service.ask("/v1/doctor").document["checks"]
    return [one for one in checks if one["check"] == "people" and one["state"] == "problem"]
