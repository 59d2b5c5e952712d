"""Requests that are written as nearly all are, read from bytes. They are a part of HTTP/1.1 (RFC 9112) about which no
two servers can differ: one line, plain headers of which none comes twice, a body of an announced length or none.
Whatever is not of that kind raises Unusual and is left to a complete server, as it came; so nothing has to be forgiven
here, and nothing can be read in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Generic, TypeAlias, TypeVar

Sender = TypeVar("Sender")

LARGEST_HEAD = 8 * 1024  # bytes
LARGEST_BODY = 64 * 1024  # bytes
REMEMBERED = 1024  # heads; a client sends the same one again and again, but for its first line
LONGEST_REMEMBERED = 2 * 1024  # bytes

LINE = re.compile(rb"(GET|POST) (/[\w.~!$&'()*+,;=:@/-]*)(?:\?([\w.~!$&'()*+,;=:@/?%-]*))? HTTP/1\.1\r\n")
"""Method, path and query; of RFC 3986's characters, and no escapes in the path."""

HEADER = re.compile(rb"([!#$%&'*+.^`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?)[ \t]*")
"""Without underscores, which WSGI cannot tell from hyphens, and in ASCII."""

LENGTH = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)

NOT_USUAL = frozenset({"HTTP_EXPECT", "HTTP_TE", "HTTP_TRAILER", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE"})
CONNECTION = frozenset({"keep-alive", "close"})


class Unusual(Exception):
    """Somebody else shall read this."""


Request: TypeAlias = tuple[str, str, str, Sender, bytes, int, bool]
"""Method, path, query, what its headers say, body, the bytes that it takes, all in all, and whether it is the last on
this connection."""


class Requests(Generic[Sender]):
    """`understand` is given headers as WSGI names them, and says what they mean, or None where that is not usual. It is
    asked once for headers that come again."""

    def __init__(self, understand: Callable[[Mapping[str, str]], Sender | None]) -> None:
        self._understand = understand
        self._heads: dict[bytes, tuple[Sender, int, bool]] = {}

    def first_in(self, data: bytes) -> Request[Sender] | None:
        """The first one; None while a part of it is still to come. Raises Unusual."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > LARGEST_HEAD:
                raise Unusual
            return None
        line = LINE.match(data)
        if line is None:
            raise Unusual
        headers = data[line.end() : end]
        sender, length, last = self._heads.get(headers) or self._read(headers)
        method, path, query = line.groups()
        start = end + 4
        size = start + length
        if size > len(data):
            return None
        body = data[start:size] if length else b""
        return method.decode(), path.decode(), query.decode() if query else "", sender, body, size, last

    def _read(self, headers: bytes) -> tuple[Sender, int, bool]:
        if len(headers) > LARGEST_HEAD:
            raise Unusual
        said = _headers_in(headers)
        announced = said.get("CONTENT_LENGTH", "0")
        sender = self._understand(said)
        if sender is None or not LENGTH.fullmatch(announced) or int(announced) > LARGEST_BODY:
            raise Unusual
        read = sender, int(announced), said.get("HTTP_CONNECTION", "").lower() == "close"
        if len(headers) <= LONGEST_REMEMBERED:
            if len(self._heads) >= REMEMBERED:
                self._heads.clear()
            self._heads[headers] = read
        return read


def _headers_in(headers: bytes) -> dict[str, str]:
    """Raises Unusual."""
    said: dict[str, str] = {}
    for line in headers.split(b"\r\n"):
        found = HEADER.fullmatch(line)
        if found is None:
            raise Unusual
        name, value = _name_of(found[1].decode()), found[2].decode()
        if name in said or name in NOT_USUAL or (name == "HTTP_CONNECTION" and value.lower() not in CONNECTION):
            raise Unusual
        said[name] = value
    if "HTTP_HOST" not in said:
        raise Unusual
    return said


def _name_of(header: str) -> str:
    """As CGI calls it (RFC 3875, 4.1.18)."""
    name = header.upper().replace("-", "_")
    return name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
