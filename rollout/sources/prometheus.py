"""Asks a Prometheus server, or one that speaks like it, an instant query (its HTTP API, `GET /api/v1/query`)."""

from __future__ import annotations

import json
import math
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rollout.service.gathering import Series, SourceUnavailable

TIMEOUT = 5.0  # seconds
LARGEST = 1024 * 1024  # bytes of an answer


def ask_prometheus(url: str, query: str, at: datetime) -> list[Series]:
    """The series of an instant vector at this time. What is not a number of at least 0 is left out. Raises
    SourceUnavailable."""
    address = f"{url.rstrip('/')}/api/v1/query?" + urllib.parse.urlencode({"query": query, "time": at.timestamp()})
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as reply:
            document = json.loads(reply.read(LARGEST + 1))
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"{_host(url)} gives no reading: {error}") from None
    if not isinstance(document, dict) or document.get("status") != "success":
        raise SourceUnavailable(f"{_host(url)} refuses the query: {_said(document)}")
    return list(_series(document))


def _series(document: dict[str, Any]) -> Iterator[Series]:
    data = document.get("data", {})
    if data.get("resultType") != "vector":
        raise SourceUnavailable(
            f"the query gives a {data.get('resultType')}", "write one that gives a vector, as with sum by (...)"
        )
    for found in data.get("result", ()):
        value = float(found["value"][1])
        if math.isfinite(value) and value >= 0:
            yield Series(labels=dict(found["metric"]), count=round(value))


def _said(document: object) -> str:
    return str(document.get("error", "no reason given"))[:200] if isinstance(document, dict) else "no JSON object"


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
