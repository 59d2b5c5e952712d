"""A flags file with a list of tens of thousands of people over HTTP, on a real server that answers checks meanwhile;
and whatever is killed in the middle of it, all of it came in force or nothing."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from servekit import PATIENCE, Service, eventually, processes_in

PEOPLE = 60_000  # with names that make 3 MB of them
LATE = 90.0  # seconds, for a machine that does other things


@pytest.fixture
def local(service: Service, tmp_path: Path) -> Path:
    """A developer's copy, with a long list."""
    folder = tmp_path / "local"
    folder.mkdir()
    text = service.flags_file.read_text().replace("Everyone on the payroll", "Everybody on the payroll")
    (folder / "flags.yaml").write_text(text)
    (folder / "employees.txt").write_text("".join(f"{'person' * 7}-{n:09}\n" for n in range(PEOPLE)))
    return folder / "flags.yaml"


def person(number: int) -> dict[str, str]:
    return {"user_id": f"{'person' * 7}-{number:09}"}


def apply(service: Service, file: Path, *more: str) -> tuple[int, str]:
    process = service.begin("apply", str(file), "--yes", "-m", "many people", "--timeout", f"{LATE:g}", *more)
    out, _ = process.communicate(timeout=LATE)
    return process.returncode, out.decode()


def large_changes(service: Service) -> list[dict]:
    return [entry for entry in service.audit() if entry["action"] == "apply"]


def test_a_large_file_comes_in_force_over_http_while_checks_go_on(service: Service, local: Path) -> None:
    service.start()
    stop, checked = threading.Event(), []

    def check() -> None:
        while not stop.wait(0.01):
            checked.append(service.check()["flag"])

    with ThreadPoolExecutor(1) as pool:
        checking = pool.submit(check)
        code, out = apply(service, local)
        stop.set()
        checking.result()
    assert code == 0, out
    assert len(checked) > 10
    eventually(lambda: service.every_worker(lambda: service.check(**person(PEOPLE - 1))["on"]), LATE)
    (entry,) = large_changes(service)
    assert (entry["reason"], entry["actor"]["kind"]) == ("many people", "human")
    spool = service.folder / ".rollout" / "spool"
    assert spool.stat().st_mode & 0o077 == 0
    assert not list(spool.glob("*/body"))


def test_refusals_end_as_those_of_small_files_do(service: Service, local: Path) -> None:
    service.start()
    assert apply(service, local, "--revision", "0")[0] == 5
    dropping = local.with_name("dropping.yaml")
    dropping.write_text(f"version: 1\nflags: {{}}\n{'# nothing' * 200_000}\n")
    assert apply(service, dropping)[0] == 7
    assert large_changes(service) == []


def whole_in_one_request(service: Service, local: Path, request_id: str) -> str:
    """Where to ask what came of it."""
    content = local.read_bytes() + b"# much to say\n" * 200_000
    connection = http.client.HTTPConnection(service.address, timeout=PATIENCE)
    connection.request("POST", f"/v1/apply?request_id={request_id}", content, {"Content-Type": "application/yaml"})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 202
    return response.headers["Location"]


def status_of_head(service: Service, size: int, key: str = "") -> int:
    """The answer to a body that is announced and does not come."""
    head = f"POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/yaml\r\nContent-Length: {size}\r\n"
    with service.connect() as connection:
        connection.sendall(f"{head}{f'X-API-Key: {key}' if key else 'X-Nothing: x'}\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


def test_what_may_not_come_is_refused_before_it_does(service: Service) -> None:
    service.start()
    assert status_of_head(service, 50_000_001) == 413
    admin = service.ask("/v1/keys", body={"role": "admin", "name": "asha"}).document["secret"]
    operator = service.ask("/v1/keys", body={"role": "operator", "name": "omar"}, key=admin).document["secret"]
    eventually(lambda: service.every_worker(lambda: status_of_head(service, 40_000_000, operator) == 403))
    assert status_of_head(service, 40_000_000) == 401
    assert status_of_head(service, 50_000_001, admin) == 413


def test_a_slow_sender_holds_up_nobody(service: Service, local: Path) -> None:
    service.options["workers"] = 1
    service.start()
    content = local.read_bytes() + b"# much to say\n" * 100_000
    head = f"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\nContent-Length: {len(content)}"
    with service.connect() as connection:
        connection.sendall(f"{head}\r\n\r\n".encode())
        for start in range(0, len(content), 200_000):
            connection.sendall(content[start : start + 200_000])
            assert service.check()["flag"] == "payments"
            assert service.ask("/v1/pending").status == 200
        answer = connection.makefile("rb")
        assert answer.readline().split()[1] == b"202"
        headers = dict(line.decode().strip().split(": ", 1) for line in iter(answer.readline, b"\r\n"))
    assert ended(service, headers["Location"])["state"] == "done"


def loading(service: Service) -> list[int]:
    return [pid for pid, said in processes_in(service.folder).items() if "load_process" in said]


def ended(service: Service, location: str) -> dict:
    def look() -> dict | None:
        with suppress(OSError, http.client.HTTPException):
            document = service.ask(location).document
            return document if document["state"] in ("done", "failed") else None
        return None

    return eventually(look, LATE)


def test_a_load_whose_process_is_killed_ends_with_a_clear_answer(service: Service, local: Path) -> None:
    service.start()
    location = whole_in_one_request(service, local, uuid.uuid4().hex)
    for pid in eventually(lambda: loading(service), LATE):
        os.kill(pid, signal.SIGKILL)
    check_clear(service, ended(service, location))


def test_a_load_under_which_the_server_is_killed_ends_with_a_clear_answer(service: Service, local: Path) -> None:
    service.start()
    location = whole_in_one_request(service, local, uuid.uuid4().hex)
    eventually(lambda: loading(service), LATE)
    service.kill()
    service.start()
    check_clear(service, ended(service, location))
    eventually(lambda: not loading(service))


def check_clear(service: Service, document: dict) -> None:
    """It says that it was done, once, or that it was not, and that is so."""
    done = large_changes(service)
    if document["state"] == "done":
        assert [entry["revision"] for entry in done] == [document["answer"]["revision"]]
    else:
        assert document["error"]["code"] == "interrupted"
        assert done == []
    again = service.ask("/v1/flags/payments", {"user_id": "u-1"})
    assert again.status == 200
