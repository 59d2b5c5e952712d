"""HTTP to the service, from the client's own threads: one connection that is kept, bounds on time and on size, and no
following of redirects, since the key goes along.
"""

from __future__ import annotations

import http.client
import ssl
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rollout import __version__
from rollout.core.errors import InvalidInput, RolloutError

MOST = 256 * 1024 * 1024  # bytes of an answer, unpacked: twice what a member list of ten million may have
CHUNK = 64 * 1024
LONGEST_RETRY_AFTER = 300.0  # seconds


class Unavailable(RolloutError):
    """The service did not answer, or not with what was asked for."""

    code = "unavailable"

    def __init__(self, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is, and how one shows who one is."""

    scheme: str
    host: str
    port: int
    path: str  # without a slash at its end
    key: str | None = None
    key_file: str | None = None

    def headers(self) -> dict[str, str]:
        """The key is read each time, so that it may be renewed while the program runs. Raises Unavailable."""
        said = {"User-Agent": f"rollout-python/{__version__}", "Accept-Encoding": "gzip"}
        key = self.key
        if self.key_file is not None:
            try:
                key = Path(self.key_file).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise Unavailable(f"the key file {self.key_file} cannot be read: {error}") from None
        return {**said, "Authorization": f"Bearer {key}"} if key else said

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


def read_address(url: str, key: str | None = None, key_file: str | None = None) -> Address:
    """Raises InvalidInput for what is no address of a service."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput(f"{url!r} is not an address", "write https://flags.example.com") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{url!r} is not the address of a service", "write https://flags.example.com")
    if key is not None and key_file is not None:
        raise InvalidInput("both a key and a file with a key are given", "give one of them")
    port = port or (443 if parts.scheme == "https" else 80)  # http.client would look for one in an IPv6 address
    return Address(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), key, key_file)


class Transport:
    """Belongs to one thread."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Raises Unavailable where nothing comes, or not all of it, or not in time."""
        return self._ask("GET", path, None, headers or {})

    def post(self, path: str, body: bytes) -> Reply:
        return self._ask("POST", path, body, {"Content-Type": "application/json"})

    def close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        deadline = time.monotonic() + self._timeout
        all_headers = {**self._address.headers(), **headers}
        try:
            response = self._response(method, self._address.path + path, body, all_headers)
            content = _whole(response, deadline)
            reply = Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
            if response.will_close:
                self.close()
            return _unpacked(reply)
        except (OSError, http.client.HTTPException, zlib.error, ValueError) as error:
            self.close()
            raise Unavailable(f"the service does not answer: {type(error).__name__}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _response(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Over the connection that is kept, or over a new one where the service has closed that."""
        if self._connection is not None:
            try:
                self._connection.request(method, path, body, dict(headers))
                return self._connection.getresponse()
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):
                self.close()
        self._connection = self._address.connection(self._timeout)
        self._connection.request(method, path, body, dict(headers))
        return self._connection.getresponse()


def _whole(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, however slowly it drips in, until the deadline."""
    content = bytearray()
    while chunk := response.read1(CHUNK):
        content += chunk
        if len(content) > MOST:
            raise ValueError(f"the answer is longer than {MOST} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer does not come to an end")
    if response.length:
        raise ValueError(f"the last {response.length} bytes of the answer are missing")
    return bytes(content)


def _unpacked(reply: Reply) -> Reply:
    if reply.headers.get("content-encoding") != "gzip":
        return reply
    unpacking = zlib.decompressobj(31)
    body = unpacking.decompress(reply.body, MOST)
    if not unpacking.eof:
        raise ValueError("the compressed answer is not whole")
    return Reply(reply.status, reply.headers, body)


def retry_after(reply: Reply) -> float | None:
    """Seconds, where the service says when to ask again."""
    said = reply.headers.get("retry-after", "")
    return min(float(said), LONGEST_RETRY_AFTER) if said.isascii() and said.isdigit() else None
