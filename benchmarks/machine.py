"""What a benchmark of servers stands on: processes that are pinned to one core while wrk has the other, rates, times
and the processor's time that a request takes. The last of these says the same on a machine that others use at the same
time, which rates do not.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

SERVER_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 16
PATIENCE = 60.0  # seconds for something to start
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What wrk sends: `lua` defines the function that gives the next request."""

    lua: str

    def script(self, folder: Path, key: str) -> Path:
        path = folder / "load.lua"
        path.write_text(f'wrk.headers["Authorization"] = "Bearer {key}"\n' + self.lua)
        return path


@dataclass(frozen=True)
class Measured:
    rate: float  # answers a second
    p50: float  # milliseconds
    p99: float
    cost: float  # microseconds of the processor's time an answer, in the processes that answer
    errors: int


def checks(path: str) -> Load:
    """GET, of a person who differs each time."""
    return Load(f"""
local n = 0
request = function()
  n = n + 7919
  return wrk.format("GET", "{path}?user_id=u-" .. (n % 1000000) .. "&country=IN&app_version=3.0.0")
end
""")


def evaluations(path: str, template: str) -> Load:
    """POST; %s in the template is a person who differs each time."""
    return Load(f"""
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 7919
  return wrk.format("POST", "{path}", nil, string.format([[{template}]], "u-" .. (n % 1000000)))
end
""")


@dataclass(frozen=True)
class Contender:
    url: str
    pids: Callable[[], Sequence[int]]  # of what answers; the store and the supervisor are not on the path of a check
    key: str = ""  # of the app that asks
    admin: str = ""


def wrk(one: Contender, load: Load, seconds: float, folder: Path, connections: int = CONNECTIONS) -> Measured:
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
    command += ["-s", str(load.script(folder, one.key)), one.url]
    pids = one.pids()
    before = processor_time(pids)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = processor_time(pids) - before
    count = int(found(r"(\d+) requests in", said))
    refused = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    broken = sum(
        int(number) for line in re.findall(r"Socket errors: (.*)", said) for number in re.findall(r"\d+", line)
    )
    return Measured(
        float(found(r"Requests/sec:\s+([\d.]+)", said)),
        milliseconds(found(r"\n +50% +(\S+)", said)),
        milliseconds(found(r"\n +99% +(\S+)", said)),
        spent / max(count, 1) * 1e6,
        refused + broken,
    )


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def processor_time(pids: Sequence[int]) -> float:
    """Seconds that all threads of these processes have run, in user and kernel mode."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def family(pid: int) -> list[int]:
    """A process and all that came from it."""
    pids = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*"):
            for child in (task / "children").read_text().split():
                pids += family(int(child))
    return pids


def answering(pid: int, words: str) -> list[int]:
    """Of a family those whose command line has these words, with all that came from them."""
    for one in family(pid):
        with suppress(OSError):
            if words in Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                return family(one)
    return family(pid)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def pinned(
    command: Sequence[str], url: str, folder: Path, cores: str = SERVER_CORE, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server on its core, from when it answers to the end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command],
            cwd=folder,
            env=inherited | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(url, process, folder)
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError as error:
            if getattr(error, "code", 503) not in (502, 503):
                return  # it answers
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer:\n{(folder / 'server.log').read_text()[-2000:]}") from None
            time.sleep(0.1)
