"""The Python client between real processes: a service that is killed, hung and started again, programs that fork, and
an installation without anything that only the server needs."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from servekit import EMPLOYEE, FOUNDING, PATIENCE, Service, eventually, hanging

from rollout.client import Rollout

SLOWLY = 120.0  # seconds; for what builds and installs


@pytest.fixture
def running(service: Service) -> Service:
    return service.start()


@pytest.fixture
def flags(running: Service, tmp_path: Path) -> Iterator[Rollout]:
    with Rollout(f"http://{running.address}", poll=0.1, timeout=1, cache_dir=tmp_path / "cache") as client:
        assert client.ready(PATIENCE)
        yield client


def test_a_change_reaches_the_client_of_a_real_service(running: Service, flags: Rollout) -> None:
    assert flags.is_on("payments", **EMPLOYEE)
    running.change("payments", "kill")
    eventually(lambda: not flags.is_on("payments", **EMPLOYEE))
    assert flags.details("payments", **EMPLOYEE).reason == "DISABLED"


def test_a_change_is_pushed_to_a_client_that_asks_seldom(running: Service) -> None:
    with Rollout(f"http://{running.address}", poll=600) as client:
        assert client.ready(PATIENCE)
        eventually(lambda: client._parts[0].pushed)
        running.change("payments", "kill")
        eventually(lambda: client.details("payments").reason == "DISABLED")


def test_a_service_that_hangs_is_waited_for_by_nobody(running: Service, flags: Rollout) -> None:
    with ExitStack() as hung:
        for pid in running.web_processes():
            hung.enter_context(hanging(pid))
        eventually(lambda: flags.stale)
        assert flags.is_on("payments", **EMPLOYEE)
    eventually(lambda: not flags.stale)


def test_a_service_that_is_killed_and_started_again_is_found_again(
    running: Service, flags: Rollout, tmp_path: Path
) -> None:
    running.kill()
    eventually(lambda: flags.stale)
    assert flags.is_on("payments", **EMPLOYEE)
    with Rollout(f"http://{running.address}", cache_dir=tmp_path / "cache") as begun_meanwhile:
        assert begun_meanwhile.is_on("payments", **EMPLOYEE)
    running.options["bind"] = running.address
    eventually(lambda: not running.web_processes())
    running.start()
    eventually(lambda: not flags.stale)
    running.change("payments", "kill")
    eventually(lambda: not flags.is_on("payments", **EMPLOYEE))


FORKING_APP = """\
import json, os
from rollout.client import Rollout

flags = Rollout(os.environ["FLAGS_URL"], poll=0.1)
assert flags.ready(60)

def app(environ, start_response):
    on = flags.is_on("payments", user_id="u-employee-1")
    flags.outcome("upi-transfer", flag="payments", ok=True, user_id="u-employee-1")
    sent = flags.outcomes.sent
    body = json.dumps({"pid": os.getpid(), "parent": os.getppid(), "on": on, "stale": flags.stale, "sent": sent})
    start_response("200 OK", [("Content-Type", "application/json"), ("Connection", "close")])
    return [body.encode()]
"""


@pytest.fixture
def gunicorn(running: Service, tmp_path: Path) -> Iterator[Callable[[], dict[str, Any]]]:
    """Two workers, forked when the client was there already. Gives a way to ask one of them."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text(FORKING_APP)
    words = ["-m", "gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0", "--no-control-socket", "app:app"]
    with (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            stderr=err,
            env={**os.environ, "FLAGS_URL": f"http://{running.address}"},
            start_new_session=True,
        )

    def listening() -> re.Match[str] | None:
        assert process.poll() is None, (folder / "err").read_text()
        return re.search(r"Listening at: http://(\S+)", (folder / "err").read_text())

    try:
        address = eventually(listening, SLOWLY)[1]

        def ask() -> dict[str, Any]:
            connection = http.client.HTTPConnection(address, timeout=PATIENCE)
            try:
                connection.request("GET", "/")
                return json.loads(connection.getresponse().read())
            finally:
                connection.close()

        yield ask
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)


def test_a_client_made_before_the_fork_lives_on_in_every_worker(
    running: Service, gunicorn: Callable[[], dict[str, Any]]
) -> None:
    def of_both(holds: Callable[[dict[str, Any]], bool]) -> bool:
        answers = [gunicorn() for _ in range(12)]
        return len({answer["pid"] for answer in answers if holds(answer)}) == 2 and all(map(holds, answers))

    eventually(lambda: of_both(lambda answer: answer["on"] and not answer["stale"]))
    assert gunicorn()["pid"] != gunicorn()["parent"]
    running.change("payments", "kill")
    eventually(lambda: of_both(lambda answer: not answer["on"]))
    eventually(lambda: of_both(lambda answer: answer["sent"] > 0))


PROGRAM = """\
import importlib.resources, importlib.util, sys
from rollout.client import Rollout

for name in ("flask", "redis", "yaml", "pydantic", "orjson", "click", "waitress"):
    assert importlib.util.find_spec(name) is None, name
assert importlib.resources.files("rollout").joinpath("py.typed").is_file()
with Rollout(sys.argv[1]) as flags:
    assert flags.ready(60), flags.trouble
    print(flags.is_on("payments", user_id="u-employee-1"), flags.is_on("payments", user_id="u-1"))
try:
    Rollout.from_file("flags.yaml")
except Exception as error:
    print(error.hint)
"""


def test_the_client_is_installed_alone_and_works(running: Service, tmp_path: Path) -> None:
    def run(*words: object) -> str:
        done = subprocess.run(
            [str(word) for word in words], cwd=tmp_path, capture_output=True, text=True, timeout=SLOWLY * 3, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "wheel", FOUNDING)
    [wheel] = (tmp_path / "wheel").glob("rollout-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    assert run(python, "-c", PROGRAM, f"http://{running.address}").splitlines() == [
        "True False",
        "pip install 'rollout[server]'",
    ]
    command = subprocess.run([python.with_name("rollout")], capture_output=True, text=True, check=False)
    assert (command.returncode, command.stderr) == (
        1,
        "the command line takes click, which is not installed: pip install 'rollout[server]'\n",
    )
