"""Answers as bytes: the head of a stream, which ends when the connection does, and the short ones, in JSON. Each
connection gets one answer."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import orjson

ALWAYS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    # Another port is another origin, and a browser's EventSource must get in. What it reads says nothing of any flag.
    ("Access-Control-Allow-Origin", "*"),
    ("Connection", "close"),
)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (*headers.items(), *ALWAYS, ("Date", formatdate(usegmt=True)))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def stream_head() -> bytes:
    """`X-Accel-Buffering` keeps nginx from collecting events; others do not know it."""
    return _head(200, {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"})


def json_reply(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> bytes:
    body = orjson.dumps(document)
    own = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    return _head(status, own) + body


def error_reply(
    status: int, code: str, message: str, hint: str | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """In the shape of the other calls' errors."""
    said = {"code": code, "message": message} | ({"hint": hint} if hint else {})
    return json_reply(status, {"error": said}, headers)


def without_body(reply: bytes) -> bytes:
    """What HEAD gets."""
    head, end, _ = reply.partition(b"\r\n\r\n")
    return head + end
