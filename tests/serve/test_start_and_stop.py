"""The service from its start to its end, however that comes: nothing is lost, nothing is left running, and the next
start finds its way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException

from servekit import EMPLOYEE, Service, eventually, processes_in


def test_the_founding_case_is_served_and_one_line_says_so(service: Service):
    service.start()
    assert service.printed() == (f"rollout 0.1.0: ready on http://{service.address}, 2 workers, 3 flags, revision 2\n")
    assert service.check(**EMPLOYEE)["on"] is True  # the first stage begins by itself
    assert service.check()["on"] is False
    assert service.check("business-app", country="GB", platform="android")["on"] is True
    assert service.file_report()["state"] == "in force"
    kinds = sorted(server["kind"] for server in service.status()["servers"])
    assert kinds == ["server", "stream", "worker", "worker"]


def test_a_second_start_on_a_taken_port_fails_and_says_why(service: Service, service_in: Callable[..., Service]):
    service.start()
    second = service_in(service.folder.parent / "second", bind=service.address).launch()
    assert second.ended() == 1
    assert f"cannot listen on {service.address}: Address already in use" in second.said()
    assert processes_in(second.folder) == {}
    assert service.check()["revision"] == 2


def test_a_second_start_on_a_data_folder_fails_and_says_why(service: Service, service_in: Callable[..., Service]):
    service.start()
    second = service_in(service.folder.parent / "second", data_dir=service.folder / ".rollout").launch()
    assert second.ended() == 1
    assert f"in use by process {service.pid}" in second.said()
    assert service.check()["revision"] == 2


def test_an_address_that_others_could_reach_is_refused(service_in: Callable[..., Service], service: Service):
    exposed = service_in(service.folder, bind="0.0.0.0:0").launch()
    assert exposed.ended() == 2
    assert "there are no keys" in exposed.said()
    assert not (service.folder / ".rollout" / "audit").exists()  # the store is asked for keys, and nothing else begins


def test_ctrl_c_stops_everything_and_all_is_there_at_the_next_start(service: Service):
    service.start()
    service.change("payments", "set", share="1%")
    assert service.interrupt() == 0
    assert processes_in(service.folder) == {}
    assert "Traceback" not in service.said()
    service.start()
    assert service.printed().endswith("3 flags, revision 3\n")
    assert service.check()["on"] is True
    assert len(service.audit()) == 3


def test_sigterm_to_the_server_process_alone_stops_everything(service: Service):
    service.start()
    os.kill(service.pid, signal.SIGTERM)
    assert service.ended() == 0
    assert processes_in(service.folder) == {}


def test_a_stop_while_it_starts_leaves_nothing_running(service: Service):
    service.launch()
    eventually(lambda: len(processes_in(service.folder)) > 1)
    assert service.interrupt() == 0
    assert processes_in(service.folder) == {}
    assert "Traceback" not in service.said()


def test_a_second_ctrl_c_does_not_wait_for_answers_that_are_under_way(service: Service):
    service.start()
    os.kill(service.web_pid(), signal.SIGSTOP)  # so it never ends by itself
    os.killpg(service.pid, signal.SIGINT)
    eventually(lambda: "stopping" in service.said())
    assert service.interrupt() == 0
    assert processes_in(service.folder) == {}


def test_nothing_is_lost_when_the_service_is_killed_and_the_port_is_free_again(service: Service):
    service.start()
    service.change("payments", "set", share="1%")
    service.kill()
    eventually(lambda: not service.web_processes(), patience=10)
    service.options["bind"] = service.address
    service.start()
    assert service.check()["on"] is True
    assert len(service.audit()) == 3


def test_a_start_right_after_a_kill_waits_for_the_workers_to_leave(service: Service):
    service.start()
    service.options["bind"] = service.address
    service.kill()
    service.start()
    assert service.check()["revision"] == 2


def test_workers_end_also_when_their_parent_was_killed_together_with_the_service(service: Service):
    service.start()
    for pid in (service.web_pid(), service.pid):
        os.kill(pid, signal.SIGKILL)
    service.ended()
    eventually(lambda: not service.web_processes(), patience=10)


def test_a_worker_that_was_killed_is_replaced(service: Service):
    service.start()
    first = service.worker_pids()
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: len(set(service.worker_pids()) - set(first)) == 1)
    eventually(lambda: _answers(service))


def test_a_web_process_that_was_killed_is_replaced_with_its_workers(service: Service):
    service.start()
    before = service.web_processes()
    os.kill(service.web_pid(), signal.SIGKILL)
    eventually(lambda: not before.keys() & service.web_processes().keys() and len(service.web_processes()) == 3)
    eventually(lambda: _answers(service))
    assert service.interrupt() == 0


def test_nothing_is_lost_when_the_store_is_killed(service: Service):
    service.start()
    service.change("payments", "set", share="1%")
    before = service.store_pid()
    os.kill(before, signal.SIGKILL)
    assert service.check()["on"] is True
    eventually(lambda: service.every_worker(lambda: service.check()["stale"] is False))
    eventually(lambda: service.store_pid() != before)
    service.change("payments", "kill")
    eventually(lambda: service.every_worker(lambda: service.check()["on"] is False))
    assert len(service.audit()) == 4


def test_without_a_flags_file_it_is_ready_and_takes_one_by_apply(service: Service):
    service.flags_file.rename(service.folder / "other.yaml")
    service.start()
    assert service.printed().endswith("0 flags, revision 0\n")
    done = service.command("apply", "other.yaml", "--yes", "--reason", "the first")
    assert done.returncode == 0, done.stderr
    eventually(lambda: service.every_worker(lambda: service.ask("/v1/flags/payments", EMPLOYEE).status == 200))


def test_a_client_that_sends_half_a_request_holds_nobody_up(service: Service):
    service.start()
    head = b"POST /v1/flags/payments/kill HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with closing(service.connect()) as half:
        half.sendall(head + b"Content-Length: 100\r\n\r\n{")
        before = service.worker_pids()
        assert _answers(service)
        half.settimeout(60)
        assert half.recv(1) == b""
        assert service.worker_pids() == before
    assert service.check(**EMPLOYEE)["on"] is True
    assert len(service.audit()) == 2


def _answers(service: Service) -> bool:
    try:
        return service.every_worker(lambda: service.check()["revision"] == 2)
    except (OSError, HTTPException):
        return False
