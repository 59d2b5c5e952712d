"""What `rollout serve` is told about streams."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollout.core.durations import parse_duration
from rollout.core.errors import InvalidInput

if TYPE_CHECKING:
    from rollout.bootstrap.settings import Address

OFF = "off"
MOST_STREAMS = 1_000_000
LONGEST_HEARTBEAT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    bind: Address
    chosen: bool  # by somebody, who is told when it is taken; else another port does as well
    url: str  # how clients reach it; "" until the port is known, where that is `bind`
    cap: int
    heartbeat: float  # seconds


def read_stream_url(text: str) -> str:
    try:
        url = urlsplit(text)
        readable = not text or (url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0)
    except ValueError:
        readable = False
    if not readable or url.query or url.fragment or url.username is not None:
        raise InvalidInput(f"--stream-url {text!r} is not an address of HTTP", "write https://flags.example.com")
    return text.rstrip("/")


def read_cap(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_STREAMS:
        raise InvalidInput(f"--stream-cap {text!r} is not a number of streams", f"write 1 to {MOST_STREAMS}")
    return int(text)


def read_heartbeat(text: str) -> float:
    try:
        span = parse_duration(text)
    except InvalidInput as error:
        raise InvalidInput(f"--stream-heartbeat: {error.message}", error.hint) from error
    if not timedelta(0) < span <= LONGEST_HEARTBEAT:
        raise InvalidInput(f"--stream-heartbeat {text!r} is too short or too long", "write 1s to 1h")
    return span.total_seconds()
