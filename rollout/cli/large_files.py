"""Flags files that are too large for one request: sent part by part, so that no single one takes long, and followed
until the service says what came of them. That answer is the one that a small file gets at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from rollout.cli.exits import TimedOut, Unreachable
from rollout.core.errors import InvalidInput, RevisionConflict, RolloutError, TooManyRequests
from rollout.service.loads import MOST_BYTES, Document, LoadState

IN_ONE_REQUEST = 1024 * 1024  # bytes
PART = 512 * 1024  # bytes
PAUSE = 0.3  # seconds
ENDED = frozenset({LoadState.DONE, LoadState.FAILED})


class NotThere(RolloutError):
    """Nobody knows this at the address; behind a load balancer, perhaps another server does."""

    code = "not_found"


Passing: TypeAlias = tuple[type[RolloutError], ...]
PASSING: Passing = (NotThere, Unreachable, TooManyRequests, TimedOut)


class Ask(Protocol):
    """One question, asked again where its answer was lost. Raises the errors that the service reports."""

    def __call__(self, method: str, path: str, content: bytes | None = None, content_type: str = ...) -> Document: ...


def encoded(body: Mapping[str, Any]) -> bytes:
    """Raises InvalidInput for what no service takes."""
    content = json.dumps(body, ensure_ascii=False).encode()
    if len(content) > MOST_BYTES:
        raise InvalidInput(
            f"the file with its member lists has {len(content) / 1e6:.1f} MB, and over HTTP at most "
            f"{MOST_BYTES // 1_000_000} MB are taken",
            "edit it beside the server, or apply it straight to the store with --url redis://…",
        )
    return content


@dataclass(frozen=True, slots=True)
class Sender:
    """`timeout`: seconds for which the service may be silent, or not know of what was sent."""

    ask: Ask
    timeout: float

    def send(self, action: str, content: bytes) -> Document:
        """What became of it, as the service describes it. Raises the errors of `ask`, and TimedOut."""
        begin = json.dumps({"size": len(content), "type": "application/json"}).encode()
        load = self._patiently(lambda: self.ask("POST", f"/v1/{action}/in-parts", begin), (TooManyRequests,))
        path, received = f"/v1/loads/{load['load']}", 0
        while received < len(content):
            received = self._next_part(path, content, received)
        return self._ended(path)

    def _next_part(self, path: str, content: bytes, offset: int) -> int:
        """How many bytes the service has afterwards."""
        part = content[offset : offset + PART]

        def send() -> Document:
            return self.ask("POST", f"{path}/parts?offset={offset}", part, "application/octet-stream")

        try:
            return int(self._patiently(send)["received"])
        except RevisionConflict:
            document = self._patiently(lambda: self.ask("GET", path))
            if document["state"] != LoadState.RECEIVING or document["received"] == offset:
                raise
            return int(document["received"])

    def _ended(self, path: str) -> Document:
        while True:
            document = self._patiently(lambda: self.ask("GET", path))
            if document["state"] in ENDED:
                return document
            time.sleep(PAUSE)

    def _patiently(self, ask: Callable[[], Document], passing: Passing = PASSING) -> Document:
        """Again while it fails in a way that passes: the service starts anew, has too much to do, or is another one."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return ask()
            except passing:
                if time.monotonic() + PAUSE > deadline:
                    raise
            time.sleep(PAUSE)
