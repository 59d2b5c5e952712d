"""Says once that the service is ready to answer: when a worker says so, the flags file was looked at, and, as far as
the store can tell, all workers serve what is in force.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable

import orjson

from rollout.bootstrap.settings import WebSettings
from rollout.core.errors import StoreUnavailable
from rollout.service.ports import FlagStore

LOOK_EVERY = 0.05  # seconds


def answers(settings: WebSettings) -> bool:
    """Whether a worker says that it is ready."""
    connection = _connection(settings)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(settings: WebSettings) -> http.client.HTTPConnection:
    host, port = settings.bind.host, settings.bind.port
    if settings.tls is None:
        return http.client.HTTPConnection(host, port, timeout=1)
    ours = ssl._create_unverified_context()  # we know whom we ask, and its certificate is for names
    return http.client.HTTPSConnection(host, port, timeout=1, context=ours)


def all_workers_have(store: FlagStore, server_id: str, revision: int, workers: int) -> bool:
    """True also where the store cannot say: then there is nothing to wait for."""
    try:
        reports = [orjson.loads(heard.report) for heard in store.servers().values()]
    except StoreUnavailable:
        return True
    ours = [report for report in reports if report["kind"] == "worker" and report["server"] == server_id]
    return len([report for report in ours if report["revision"] >= revision]) >= workers


def announce_once(ready: Callable[[], bool], announce: Callable[[], None], stop: threading.Event) -> None:
    """Waits until it is ready, and calls `announce`."""
    while not stop.wait(LOOK_EVERY):
        if ready():
            announce()
            return
