"""What the console signs its forms and sessions with: 256 random bits, kept in the data folder, so that all workers of
a server have the same and a restart logs nobody out. Not in the store: who reads that could sign as anybody.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from rollout.core.errors import InvalidInput
from rollout.stores.disk import write_once

NAME = "console.secret"
LEAST = 32  # characters


def console_secret(folder: Path) -> bytes:
    """Reads it, or makes it; of several that make it at once all get the same. Servers that share a name behind a load
    balancer are given the same file. Raises OSError, and InvalidInput for one that could be guessed."""
    path = folder / NAME
    write_once(path, secrets.token_hex(32).encode() + b"\n")
    content = path.read_bytes().strip()
    if len(content) < LEAST:
        raise InvalidInput(f"{path} is too short to sign with", "delete it, and it is made anew")
    return hashlib.sha256(b"console " + content).digest()
