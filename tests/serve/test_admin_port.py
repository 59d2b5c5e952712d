"""A second port for those who look after the service, which the first one then says nothing of itself to."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from servekit import PATIENCE, Service, eventually, parent_of


@pytest.fixture
def service(service_in: Callable[..., Service], tmp_path: Path) -> Service:
    return service_in(tmp_path / "site", admin_bind="127.0.0.1:0")


def admin_address(service: Service) -> str:
    found = re.search(r", metrics on http://(\S+)\n", service.printed())
    assert found, service.printed()
    return found[1]


def get(address: str, path: str, key: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_metrics_and_details_are_on_the_second_port_and_not_on_the_first(service: Service) -> None:
    service.start()
    admin = admin_address(service)
    assert admin != service.address
    assert service.every_worker(lambda: get(service.address, "/readyz") == (200, '{"ready":true}'))
    assert service.every_worker(lambda: get(service.address, "/metrics")[0] == 404)
    status, said = get(admin, "/readyz")
    assert (status, json.loads(said)["file"]["state"]) == (200, "in force")


def test_the_second_port_counts_for_all_workers_of_the_first(service: Service) -> None:
    service.start()
    for _ in range(20):
        service.check(user_id="u-1")
    counted = re.compile(r'^rollout_checks_total\{flag="payments".*\} 20\.0$', re.MULTILINE)
    eventually(lambda: counted.search(get(admin_address(service), "/metrics")[1]))


def test_the_same_is_answered_there_under_the_same_rules(service: Service) -> None:
    service.start()
    admin = admin_address(service)
    assert json.loads(get(admin, "/v1/flags/payments?user_id=u-employee-1")[1])["on"]
    made = service.ask("/v1/keys", body={"role": "admin", "name": "asha"}).document
    eventually(lambda: get(admin, "/metrics")[0] == 401)
    assert get(admin, "/metrics", made["secret"])[0] == 200
    assert json.loads(get(admin, "/readyz")[1]) == {"ready": True}
    assert "file" in json.loads(get(admin, "/readyz", made["secret"])[1])


def test_its_worker_is_none_of_those_that_answer_checks(service: Service) -> None:
    service.start()
    kinds = eventually(lambda: kinds_heard(service))
    assert sorted(kinds) == ["admin", "server", "stream", "worker", "worker"]
    assert "1 of 1 server" in service.command("halt", "payments").stdout


def kinds_heard(service: Service) -> list[str]:
    found = [one["kind"] for one in service.status()["servers"]]
    return found if len(found) == 5 else []


def test_it_comes_back_when_it_ends(service: Service) -> None:
    service.start()
    admin = admin_address(service)
    for pid in [pid for pid in service.web_processes() if parent_of(pid) == service.pid]:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: answers(admin) and answers(service.address))
    assert get(service.address, "/metrics")[0] == 404
    assert get(admin, "/metrics")[0] == 200


def answers(address: str) -> bool:
    try:
        return get(address, "/healthz")[0] == 200
    except OSError:
        return False


def test_without_keys_no_other_machine_may_reach_it(service_in: Callable[..., Service], tmp_path: Path) -> None:
    service = service_in(tmp_path / "site", admin_bind="0.0.0.0:0").launch()
    assert service.ended() != 0
    assert re.search(r"--admin-bind 0\.0\.0\.0:\d+ can be reached from other machines", service.said())
