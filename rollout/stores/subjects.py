"""The key by which targeting keys become hashes, made at the first start in the data folder, and readable by its owner
alone. It is in no store and no export: without it nobody can tell whom a hash is of, and whoever removes it makes all
that were made with it unlinkable.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from pathlib import Path

from rollout.stores.disk import write_once

SUBJECTS_FILE = "subjects.key"
KEY_BYTES = 32
FINGERPRINT = 12  # hexadecimal digits

log = logging.getLogger(__name__)


def fingerprint(key: bytes) -> str:
    """By which servers can tell whether they have the same key, and nobody can tell the key."""
    return hmac.digest(key, b"rollout: which subjects key this is", hashlib.sha256).hex()[:FINGERPRINT]


def subjects_key(folder: Path) -> bytes:
    """The one in the data folder, made where there is none. Where it cannot be read, one that lives as long as this
    process: nobody shall wait for an answer because of a count, and the count says that there were several keys."""
    path = folder / SUBJECTS_FILE
    try:
        write_once(path, secrets.token_hex(KEY_BYTES).encode() + b"\n")
        key = bytes.fromhex(path.read_text().strip())
        if len(key) == KEY_BYTES:
            return key
        trouble = "it is too short or too long"
    except (OSError, ValueError) as error:
        trouble = str(error)
    log.error("%s is not a key of %s bytes in hex (%s): remove it, and start again", path, KEY_BYTES, trouble)
    return secrets.token_bytes(KEY_BYTES)
