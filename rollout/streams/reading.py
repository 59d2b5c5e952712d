"""One request, from bytes to what it asks for. h11 does the reading, strictly; here is how much of it we take before
that, and nothing is kept afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import h11

from rollout.service.gate import token_in

MOST_BYTES = 16 * 1024
"""Of a request line with its headers; cookies and a proxy's additions fit with room to spare."""


class NotUnderstood(Exception):
    """What was sent is no request, or more than one may be."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    last_event_id: bytes | None
    query: str = ""
    token: str | None = None  # what was sent as a key


class RequestReader:
    """Takes the bytes as they come, until they make a request."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_BYTES)
        self._read = 0

    def feed(self, data: bytes) -> Request | None:
        """None while it is not whole. Raises NotUnderstood."""
        self._read += len(data)
        if self._read > MOST_BYTES:
            raise NotUnderstood(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request is longer than {MOST_BYTES} bytes"
            )
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise NotUnderstood(error.error_status_hint, f"this is no HTTP request: {error}") from error
        return _request(event) if isinstance(event, h11.Request) else None


def _request(event: h11.Request) -> Request:
    headers = dict(event.headers)  # the last of each name
    path, query = _address(event.target.decode())
    sent = {name: headers[name].decode("latin-1") for name in (b"authorization", b"x-api-key") if name in headers}
    token = token_in(sent.get(b"authorization", ""), sent.get(b"x-api-key"))
    return Request(event.method.decode(), path, headers.get(b"last-event-id"), query, token)


def _address(target: str) -> tuple[str, str]:
    try:
        address = urlsplit(target)
    except ValueError:  # such as one with half a bracket
        return target, ""
    return address.path, address.query
