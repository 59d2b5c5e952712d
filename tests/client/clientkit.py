"""A service that the tests of the client own: the real app over real HTTP, which can be told to misbehave, and counts
what it is asked."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from rollout.client import Rollout
from tests.web.webkit import Site

PATIENCE = 30.0  # seconds; a bound on hanging, never a measure of speed
POLL = 0.05

T = TypeVar("T")


def eventually(look: Callable[[], T], patience: float = PATIENCE) -> T:
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return found


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Nothing."""


class Hosted:
    """A site that is reached over HTTP, on a port of its own that stays the same over restarts."""

    def __init__(self) -> None:
        self.site = Site.with_flags()
        self.misbehave: Callable[[Request], Response | None] = lambda _: None
        self.outcomes: list[dict[str, Any]] = []
        self.asked: list[Request] = []
        self._port = 0
        self._clients: list[Rollout] = []
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def client(self, **options: Any) -> Rollout:
        """One that is closed when the test ends."""
        client = Rollout(self.url, **{"poll": POLL, "timeout": PATIENCE, **options})
        self._clients.append(client)
        return client

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self._port, self._answer, threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._server.block_on_close = False  # type: ignore[attr-defined]
        self._port = self._server.server_port
        self._serving = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._serving.start()

    def stop(self) -> None:
        """Nobody listens any more; connections that are open are told so."""
        self.misbehave = lambda _: Response("gone", 503, {"Connection": "close"})
        self._server.shutdown()
        self._server.server_close()
        self._serving.join()

    def end(self) -> None:
        for client in self._clients:
            client.close()
        self.stop()

    def change(self, path: str = "/v1/flags/payments/set", **body: Any) -> None:
        self.site.change(path, **body)

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        request.get_data()
        self.asked.append(request)
        response = self.misbehave(request)
        if response is not None:
            return response(environ, start)
        if request.path == "/v1/outcomes":
            self.outcomes += json.loads(request.get_data())["outcomes"]
        environ["wsgi.input"] = io.BytesIO(request.get_data())
        return self.site.app(environ, start)
