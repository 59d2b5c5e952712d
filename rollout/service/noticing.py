"""What is written down although it changed nothing: attempts that were refused, files that were not loaded, who read
the audit. The first of a kind is an entry at once; more of the same within ten minutes are one entry with their number;
beyond so many kinds all others are one more. So whoever tries again and again, under whichever names, fills nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rollout.core.audit import Actor
from rollout.core.documents import Document
from rollout.core.errors import InvalidFile, InvalidInput, NotAllowed, RefusedByRule, RolloutError
from rollout.core.flags import FLAG_KEY
from rollout.service.operations import Operations, Request

WINDOW = 600.0  # seconds
MOST_KINDS = 20
"""In one window, of one process: at most 41 entries in ten minutes, some 3 MB a day, while somebody tries for ever."""

MOST_WORDS = 300  # characters of a message
WORTH_NOTING = (NotAllowed, RefusedByRule, InvalidFile)
SEVERAL = Actor("several")
OTHERS = ("others",)


@dataclass
class _Kind:
    """One kind of thing that happened. `waiting`: how often since it was written last."""

    action: str
    actor: Actor
    about: Document
    flag: str | None
    waiting: int = 0
    written: bool = False


class Notices:
    """`clock`: seconds that only grow."""

    def __init__(self, operations: Operations, clock: Callable[[], float] = time.monotonic) -> None:
        self._operations = operations
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._began = clock()

    def refused(self, action: str, flag: str | None, request: Request, error: RolloutError) -> None:
        """An attempt to change something; a dry run is none."""
        if not isinstance(error, WORTH_NOTING) or request.dry_run:
            return
        named = flag if flag and FLAG_KEY.fullmatch(flag) else None
        about = {"action": action, "code": error.code, "message": error.message[:MOST_WORDS]}
        self._happened(_Kind("refused", request.actor, about, named))

    def read(self, reader: Actor, about: Document) -> None:
        self._happened(_Kind("read audit", reader, about, None))

    def load_failed(self, actor: Actor, about: Document) -> None:
        self._happened(_Kind("load failed", actor, about, None))

    def flush(self) -> None:
        """To be called each second or so: writes what could not be written, and what came together in a window."""
        with self._lock:
            over = self._clock() - self._began >= WINDOW
            kinds = list(self._kinds.items())
            if over:
                self._began = self._clock()
        for key, kind in kinds:
            if over or (not kind.written and key != OTHERS):
                self._write(kind)
            if over and not kind.waiting:
                self._forget(key, kind)

    def _happened(self, kind: _Kind) -> None:
        key = (kind.action, kind.actor.id, kind.actor.kind, kind.flag or "", *map(str, kind.about.values()))
        with self._lock:
            known = self._kinds.get(key)
            if known is None and len(self._kinds) >= MOST_KINDS:
                key, kind = OTHERS, _Kind("refused", SEVERAL, {"action": "several", "code": "", "message": ""}, None)
            known = self._kinds.setdefault(key, kind)
            known.waiting += 1
        if not known.written and key != OTHERS:
            self._write(known)

    def _write(self, kind: _Kind) -> None:
        with self._lock:
            count, kind.waiting = kind.waiting, 0
        if not count:
            return
        try:
            self._operations.note(kind.action, Request(kind.actor), kind.about | {"count": count}, kind.flag)
            kind.written = True
        except InvalidInput:  # who sent what cannot be written gets no place in the audit
            kind.written = True
        except RolloutError:
            with self._lock:
                kind.waiting += count

    def _forget(self, key: tuple[str, ...], kind: _Kind) -> None:
        with self._lock:
            if not kind.waiting:
                self._kinds.pop(key, None)
