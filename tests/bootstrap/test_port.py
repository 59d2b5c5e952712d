"""The look at the port before the workers have it."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import pytest

from rollout.bootstrap.port import PortTaken, free_port
from rollout.bootstrap.settings import Address


def listening(port: int = 0, *, shared: bool = False) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the workers have it
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def test_any_free_port_is_found():
    address = free_port(Address("127.0.0.1", 0))
    assert address.port > 0
    listening(address.port).close()


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_on_which_somebody_listens_is_taken_even_when_it_is_shared(shared):
    with closing(listening(shared=shared)) as other, pytest.raises(PortTaken) as taken:
        free_port(Address("127.0.0.1", other.getsockname()[1]), patience=0)
    assert "Address already in use" in taken.value.message
    assert "--bind" in (taken.value.hint or "")


def test_connections_that_just_ended_do_not_take_the_port():
    with closing(listening()) as server:
        port = server.getsockname()[1]
        with closing(socket.create_connection(("127.0.0.1", port))) as client:
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first keeps the port busy for a minute
            assert client.recv(1) == b""
    assert free_port(Address("127.0.0.1", port), patience=0).port == port


def test_it_waits_for_workers_of_a_killed_service_to_leave():
    server = listening()
    leaving = threading.Timer(0.3, server.close)
    leaving.start()
    port = server.getsockname()[1]
    assert free_port(Address("127.0.0.1", port), patience=10).port == port
    leaving.join()
