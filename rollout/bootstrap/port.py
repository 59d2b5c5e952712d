"""The port, before the workers have it. The server process looks first whether anybody has it, and says so at once,
instead of after its web process did not come up.
"""

from __future__ import annotations

import socket
import time

from rollout.bootstrap.settings import Address
from rollout.core.errors import RolloutError

FREED_WITHIN = 2.5  # seconds in which the workers of a service that was killed leave


class PortTaken(RolloutError):
    code = "port_taken"


def free_port(address: Address, patience: float = FREED_WITHIN, option: str = "--bind") -> Address:
    """The address, with a port that is free there where it had none. Raises PortTaken, naming the option that chooses
    another."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return _bound(address)
        except OSError as error:
            if time.monotonic() >= deadline:
                raise PortTaken(
                    f"cannot listen on {address}: {error.strerror}",
                    f"stop what listens there, or choose another address with {option}",
                ) from error
            time.sleep(0.1)


def _bound(address: Address) -> Address:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections that ended a moment ago do not count; whoever listens does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.host, address.port))
        return Address(address.host, probe.getsockname()[1])
