"""Reads a large file in a process of its own, so that the caller neither grows by what reading takes nor stands still
meanwhile. Whatever becomes of that process, what comes back is what the file says, or its problems.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidFile, Problem
from rollout.yaml_files.reader import Reading, read_seen

PATIENCE = timedelta(seconds=60)


def read_in_subprocess(path: Path, timeout: timedelta = PATIENCE) -> FlagFile:
    """As `read_file`, elsewhere. Raises InvalidFile, also where the other process crashes or does not end in time."""
    reading = read_apart(path, timeout)
    if isinstance(reading.outcome, FlagFile):
        return reading.outcome
    raise InvalidFile(reading.outcome)


def read_apart(path: Path, timeout: timedelta = PATIENCE) -> Reading:
    """As `read_seen`, elsewhere. What failed for a reason outside of the file has seen no files."""
    command = [sys.executable, "-P", "-m", "rollout.yaml_files.apart", str(path)]
    paths = os.pathsep.join(part for part in sys.path if part)  # the child finds what this process finds
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout.total_seconds(),
            env=os.environ | {"PYTHONPATH": paths},
            check=True,
        )
        reading: Reading = pickle.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return _failed(path, f"reading it took more than {timeout.total_seconds():g} s")
    except subprocess.CalledProcessError as error:
        return _failed(path, f"reading it ended with code {error.returncode}{_last_line(error.stderr)}")
    except (OSError, pickle.UnpicklingError, EOFError) as error:
        return _failed(path, f"reading it failed: {error}")
    return reading


def _failed(path: Path, message: str) -> Reading:
    return Reading((Problem(str(path), 1, 1, message, "it is tried again"),), {})


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f": {said[-1][:200]}" if said else ""


def main() -> None:
    """Runs in the other process: answers with a pickled Reading of the file that is named."""
    gc.disable()  # this process ends before it would help
    if hasattr(os, "nice"):
        os.nice(5)  # answering checks is more urgent
    reading = read_seen(Path(sys.argv[1]))
    sys.stdout.buffer.write(pickle.dumps(reading, pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    main()
