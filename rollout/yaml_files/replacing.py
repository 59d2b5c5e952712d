"""Replaces a file that people edit too: whole or not at all, and never over what somebody saved in the meantime."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from rollout.core.errors import RevisionConflict, RolloutError
from rollout.yaml_files.disk import Seen, digest, signature


def replace_file(path: Path, content: bytes, seen: Seen) -> None:
    """Gives the file this content when it is still what was seen; when this returns, it survives a power cut.

    The mode and, where possible, the owner stay; of a symbolic link it is the file behind it that changes. Raises
    RevisionConflict when the file changed, RolloutError where it cannot be written.
    """
    try:
        target = path.resolve(strict=True)
        beside = _written_beside(target, content)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        if path.resolve() != target or digest(path) != seen.digest or signature(path) != seen.signature:
            raise RevisionConflict(f"{path} changed while it was being edited, nothing was written", "try again")
        beside.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)
    with suppress(OSError):  # it is there; some file systems cannot sync a folder
        _sync(target.parent)


def _unwritable(path: Path, error: OSError) -> RolloutError:
    return RolloutError(f"{path} cannot be written: {error.strerror or error}", "nothing was changed")


def _written_beside(target: Path, content: bytes) -> Path:
    """A new file in the same folder, with what shall be in the old one."""
    old = target.stat()
    if not os.access(target, os.W_OK):  # renaming would get past a file that was made read-only
        raise PermissionError(None, "it is read-only")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            with suppress(OSError):  # only root may give files away
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
