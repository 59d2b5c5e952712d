"""Reads the record on disk, with what it is held against, and verifies it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rollout.core.anchors import Anchor
from rollout.core.errors import InvalidInput
from rollout.core.progress import State
from rollout.service.encoding import decode_state
from rollout.service.verifying import Verified, Verifier
from rollout.stores.anchors import ANCHORS_FILE, read_anchors
from rollout.stores.disk import last_snapshot
from rollout.stores.segments import read_kept, read_segments
from rollout.stores.signing import KEY_FILE, proves, read_key


def verify_folder(folder: Path, anchors: Path | None, key: str | None) -> Verified:
    """Raises InvalidInput where there is no record."""
    if not folder.is_dir():
        raise InvalidInput(f"there is no record in {folder}", "name its folder, or --data-dir of the service")
    if anchors is not None and not anchors.is_file():
        raise InvalidInput(f"there are no anchors in {anchors}", "name the file that was kept")
    kept, faults = _kept_anchors(folder / ANCHORS_FILE)
    elsewhere = read_anchors(anchors) if anchors else []
    own = _own_key(folder.parent)
    if key and own and own != key:
        faults.append(f"the key in {folder.parent} is another one, {own[:16]}…")
    verifier = Verifier(list(dict.fromkeys([*kept, *elsewhere])), proves, key or own)
    state = _state_in_force(folder.parent)
    verified = verifier.verify(read_segments(folder), state, lambda one: read_kept(folder, one))
    return replace(verified, faults=(*faults, *verified.faults))


def _kept_anchors(path: Path) -> tuple[list[Anchor], list[str]]:
    try:
        return read_anchors(path), []
    except InvalidInput as error:
        return [], [error.message]


def _own_key(data_dir: Path) -> str | None:
    """The server's, where this is its data folder and may be read."""
    try:
        return read_key(data_dir / KEY_FILE).public
    except OSError:
        return None


def public_key(data_dir: Path) -> str:
    """Raises InvalidInput where no service made one yet."""
    try:
        return read_key(data_dir / KEY_FILE).public
    except FileNotFoundError:
        raise InvalidInput(f"there is no key in {data_dir}", "the service makes one at its first start") from None


def _state_in_force(data_dir: Path) -> State | None:
    """As the server kept it last; None where it did not."""
    stored = last_snapshot(data_dir)
    return decode_state(stored) if stored else None


def verify_export(folder: Path, key: str | None) -> list[str]:
    """What does not hold of an export, as the verify.py in it would say."""
    from rollout.service.export.verify import verify  # noqa: PLC0415

    try:
        return verify(folder, key or "")
    except (OSError, ValueError, LookupError, TypeError) as error:
        return [f"this is not an export: {type(error).__name__}: {error}"]
