"""Who sits at the keyboard, for the audit."""

from __future__ import annotations

import getpass
import os
import socket

from rollout import __version__
from rollout.core.audit import Actor

TOOL = f"rollout cli/{__version__}"


def actor() -> Actor:
    return Actor(id=_user(), kind="human", host=socket.gethostname(), tool=TOOL)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user often has no name
        return f"uid-{os.getuid()}"
