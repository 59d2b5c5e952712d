"""The client: answers in the process that asks, by the same code as the service, from a ruleset that threads in the
background keep up to date. Nothing in it raises or waits once it is made, but for `ready` and `close`.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar
from weakref import WeakMethod

from rollout.client.answering import Answering
from rollout.client.editions import NOTHING, Edition, edition_of
from rollout.client.exposing import Exposer
from rollout.client.forking import begin_again_in_children, no_longer
from rollout.client.kept import Kept
from rollout.client.pushing import Pusher
from rollout.client.refreshing import Holder, Pace, Refresher
from rollout.client.reporting import Reporter, Tally
from rollout.client.transport import Address, Transport, read_address
from rollout.core.asking import attributes_asked
from rollout.core.draws import draw_of
from rollout.core.errors import InvalidInput
from rollout.core.segments import EVERYONE

log = logging.getLogger("rollout.client")

OnTrouble: TypeAlias = Callable[[str | None], object]
Listener = TypeVar("Listener", bound=OnTrouble)

FLUSHED_WITHIN = 2.0  # seconds that the end of a program waits for outcomes to be sent


class Rollout(Answering):
    """`Rollout("https://flags.example.com", key_file="/run/secrets/rollout")`. One for a program is enough.

    `poll`: seconds between questions where there is no stream; `timeout`: seconds for an answer; `cache_dir`: a folder
    in which the last ruleset is kept for a start while the service is down; `restored_after`: seconds for which all
    servers must be at an earlier revision than the client until it follows them back, since the store was restored.
    `exposures`: whether the service is told whom this program served a flag, for its counts of the day. Raises
    InvalidInput for an address that is none, and for nothing else.
    """

    _closed: bool

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        poll: float = 10.0,
        timeout: float = 5.0,
        cache_dir: str | os.PathLike[str] | None = None,
        restored_after: float = 60.0,
        exposures: bool = True,
    ) -> None:
        if poll <= 0 or timeout <= 0:
            raise InvalidInput("poll and timeout are seconds, and more than 0", "leave them out, or say poll=10")
        super().__init__()
        self._begin(read_address(url, key, None if key_file is None else os.fspath(key_file)))
        self._pace = Pace(poll, restored_after)
        self._timeout = timeout
        self._counts = exposures
        self._kept = None if cache_dir is None else Kept(Path(cache_dir), url)
        self._start_from_disk()
        self._start()
        begin_again_in_children(self)
        atexit.register(_close, WeakMethod(self.close))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """A client that asks no service: every flag as on a new service that has just read this flags file, with each
        rollout at its first stage. For tests and for work without a network. Raises InvalidFile with all that is wrong
        in the file, and InvalidInput where PyYAML is not installed."""
        return cls._of(_edition_from(path))

    @classmethod
    def _of(cls, edition: Edition) -> Self:
        client = cls.__new__(cls)
        Answering.__init__(client, edition)
        client._begin(None)
        client._trouble, client._confirmed_at = None, time.monotonic()
        client._fresh.set()
        return client

    def ready(self, timeout: float = 5.0) -> bool:
        """Waits for the service's first answer, up to `timeout` seconds; true when there is a ruleset to answer from,
        be it the one that was kept on disk."""
        self._fresh.wait(timeout)
        return self._edition is not NOTHING

    @property
    def stale_seconds(self) -> float:
        """How long ago the service said that this is its ruleset; infinite where it never did."""
        return math.inf if self._confirmed_at is None else max(time.monotonic() - self._confirmed_at, 0.0)

    @property
    def stale(self) -> bool:
        """The last question to the service was not answered as it should be."""
        return self._trouble is not None

    @property
    def trouble(self) -> str | None:
        """What keeps the ruleset from being up to date, if anything does."""
        return self._trouble

    @property
    def outcomes(self) -> Tally:
        """How many outcomes were sent, dropped and refused."""
        return self._reporter.tally if self._reporter else Tally()

    def on_trouble(self, listener: Listener) -> Listener:
        """Calls `listener` with what `trouble` says whenever that changes, from a thread of the client's."""
        self._trouble_listeners.append(listener)
        return listener

    def outcome(
        self,
        metric: str,
        /,
        *,
        flag: str,
        ok: bool,
        failure: str | None = None,
        id: str | None = None,  # noqa: A002
        user_id: str | None = None,
        on: bool | None = None,
        at: datetime | None = None,
        drill: bool = False,
        **by: object,
    ) -> None:
        """Reports how something that a guard watches went; sent in the background.

        `failure` is its class where it failed; `id` names what was attempted, so that attempts again count once; what
        is left over (`bank="SBI"`) is what guards tell apart. `on` says whether the person had the flag. Where it is
        not given, the flag is evaluated for `user_id` and what is left over, if it looks at nothing else; otherwise the
        service takes it that they had it.
        """
        if self._reporter is None:
            return
        try:
            if on is None:
                on = self._had(flag, {**by, **({} if user_id is None else {"user_id": user_id})})
            outcome = {
                "flag": flag,
                "metric": metric,
                "ok": ok,
                "class": failure,
                "by": by or None,
                "id": uuid.uuid4().hex if id is None else id,
                "user_id": user_id,
                "at": (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds"),
                "on": on,
                "drill": drill or None,
            }
            self._reporter.report({name: value for name, value in outcome.items() if value is not None})
        except Exception as error:
            log.warning("an outcome cannot be reported: %r", error)

    def close(self) -> None:
        """Sends the outcomes that wait, within two seconds, and ends the threads. It goes on answering from what it
        has. Closing twice is fine."""
        if self._address is None or self._closed:
            return
        self._closed = True
        no_longer(self)
        for part in self._parts:
            part.stop()
        deadline = time.monotonic() + FLUSHED_WITHIN
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0.0))
        for part, thread in zip(self._parts, self._threads, strict=True):
            if isinstance(part, Reporter | Exposer) and not thread.is_alive():
                part.flush(max(deadline - time.monotonic(), 0.1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, address: Address | None) -> None:
        self._address = address
        self._closed = False
        self._trouble: str | None = "the service has not answered yet"
        self._trouble_listeners: list[OnTrouble] = []
        self._confirmed_at: float | None = None
        self._fresh = threading.Event()
        self._reporter: Reporter | None = None
        self._parts: tuple[Refresher | Pusher | Reporter | Exposer, ...] = ()
        self._threads: tuple[threading.Thread, ...] = ()

    def _start_from_disk(self) -> None:
        if self._kept is None:
            return
        try:
            found = self._kept.read()
        except Exception as error:  # written by another version, damaged, not allowed
            log.warning("the ruleset on disk cannot be used: %s", error)
            return
        if found is not None:
            self._confirmed_at = time.monotonic() - max(time.time() - found.confirmed_at, 0.0)
            self._accept(found.edition)

    def _start(self) -> None:
        assert self._address is not None
        holder = Holder(lambda: self._edition, self._accept, self._confirmed, self._troubled)
        refresher = Refresher(Transport(self._address, self._timeout), holder, self._kept, self._pace)
        self._reporter = Reporter(Transport(self._address, self._timeout))
        self._parts = (refresher, Pusher(refresher, self._address), self._reporter)
        if self._counts:
            exposer = Exposer(Transport(self._address, self._timeout), self._is_counted, self._draw_of)
            self._served = exposer.served
            self._parts += (exposer,)
        self._threads = tuple(
            threading.Thread(target=part.run, name=f"rollout {type(part).__name__.lower()}", daemon=True)
            for part in self._parts
        )
        for thread in self._threads:
            thread.start()

    def _renew(self) -> None:
        """In a child process: what was queued here is the parent's to send, and locks may be held by nobody."""
        fresh, self._fresh = self._fresh, threading.Event()
        if fresh.is_set():
            self._fresh.set()
        self._changing = threading.Lock()
        self._arrange()
        self._start()

    def _confirmed(self) -> None:
        self._confirmed_at = time.monotonic()
        self._fresh.set()

    def _troubled(self, trouble: str | None) -> None:
        before, self._trouble = self._trouble, trouble
        if before == trouble:
            return
        if trouble is None:
            log.info("the ruleset is up to date, at revision %d", self._edition.revision)
        else:
            log.warning("answers go on from revision %d: %s", self._edition.revision, trouble)
        for listener in tuple(self._trouble_listeners):
            try:
                listener(trouble)
            except Exception:
                log.exception("what listens for trouble failed")

    def _is_counted(self, flag: str) -> bool:
        """What is on for everybody, and always was, counts nobody."""
        rules = self._edition.evaluator.ruleset.flags.get(flag)
        if rules is None:
            return False
        return rules.has_rollout or bool(rules.rules) or any(one.audience != EVERYONE for one in rules.admissions)

    def _draw_of(self, flag: str) -> str | None:
        """The name of the draw of the flag's share, where who was drawn can be compared."""
        rules = self._edition.evaluator.ruleset.flags.get(flag)
        draw = None if rules is None else draw_of(rules)
        return None if draw is None else draw.name

    def _had(self, flag: str, attributes: Mapping[str, object]) -> bool | None:
        """Whether somebody had the flag; None where the flag may look at what is not known here."""
        ruleset = self._edition.evaluator.ruleset
        if flag not in ruleset.flags or not attributes_asked(flag, ruleset) <= attributes.keys():
            return None
        answer = self._asked(flag, attributes)
        return None if answer.error_code else answer.on


def _edition_from(path: str | os.PathLike[str]) -> Edition:
    try:
        # Not imported above: reading the file takes what a client that asks a service does without.
        read = importlib.import_module("rollout.bootstrap.flags_file").read_flags
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"reading a flags file takes {error.name}, which is not installed", "pip install 'rollout[server]'"
        ) from None
    return edition_of(*read(Path(path)))


def _close(close: WeakMethod[Any]) -> None:
    method = close()
    if method is not None:
        method()
