"""The key by which the service knows who asks: from the environment or from a file, never from the command line, which
everybody on the machine can read.
"""

from __future__ import annotations

import os
from pathlib import Path

from rollout.core.errors import InvalidInput

VARIABLE = "ROLLOUT_KEY"
_ON_ONE_LINE = "write the key into it, on one line"


def read_key(file: str | None) -> str | None:
    """The file counts more than the environment; None where neither says anything. Raises InvalidInput, without what is
    in the file."""
    key = _content(file) if file else os.environ.get(VARIABLE, "").strip()
    if not key:
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInput(
            f"there is no key in {file or VARIABLE}",
            "a key is one word that begins with rk_, as `rollout keys` showed it",
        )
    return key


def _content(file: str) -> str:
    try:
        key = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise InvalidInput(
            f"the key file {file} cannot be read: {reason}", "write the key into it, on one line"
        ) from None
    if not key:
        raise InvalidInput(f"there is nothing in the key file {file}", _ON_ONE_LINE)
    return key
