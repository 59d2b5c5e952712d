"""Our own metrics and log lines. A check costs a dict increment; a background thread calls `flush` each second, which
carries what was counted since the last time to Prometheus' objects, whose files add up over all workers of a server.
Where PROMETHEUS_MULTIPROC_DIR is not set (before this module is imported), the process counts for itself alone.
"""

from __future__ import annotations

import collections
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

import orjson
import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)
from structlog.typing import Processor

from rollout.core.evaluation import Answer
from rollout.service.measures import Asked, Readings

disable_created_metrics()  # type: ignore[no-untyped-call]  # several workers together have none either

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

Tally: TypeAlias = dict[tuple[Hashable, ...], int]
"""Label values -> how many, since the process began. One thread writes it."""


class Counters:
    """Counts of one worker. All methods but `flush`, `scrape`, `beside` and `outcomes_repeated` are called by one
    thread that answers requests."""

    def __init__(self, folder: str | None = None, metrics: _Metrics | None = None) -> None:
        """`folder`: where the counts of all workers meet; by default what the environment says, if anything. `metrics`:
        those of others, to add to."""
        self._beside: list[Counters] = []
        self._folder = folder or os.environ.get(MULTIPROCESS_FOLDER)
        self._registry = CollectorRegistry()
        self._readings: Callable[[], Readings] = Readings
        self._flushing = threading.Lock()
        self._answers = _AnswerTally()
        self._ignored: Tally = {}
        self._unknown: Tally = {}
        self._refused: Tally = {}
        self._responses: Tally = {}
        self._changes: Tally = {}
        self._outcomes_accepted: Tally = {}
        self._outcomes_refused: Tally = {}
        self._outcomes_repeated: Tally = {}
        self._metrics = metrics or _Metrics(self._registry)
        self._carriers = (
            _Carrier(self._ignored, self._metrics.ignored),
            _Carrier(self._unknown, self._metrics.unknown),
            _Carrier(self._refused, self._metrics.refused),
            _Carrier(self._responses, self._metrics.responses),
            _Carrier(self._changes, self._metrics.changes),
            _Carrier(self._outcomes_accepted, self._metrics.outcomes_accepted),
            _Carrier(self._outcomes_refused, self._metrics.outcomes_refused),
            _Carrier(self._outcomes_repeated, self._metrics.outcomes_repeated),
        )

    def beside(self) -> Counters:
        """For another thread that answers requests. They are carried over with these."""
        others = Counters(self._folder, self._metrics)
        self._beside.append(others)
        return others

    def checked(self, answer: Answer) -> None:
        self._answers.counts[answer] += 1

    def all_checked(self, answers: Iterable[Answer]) -> None:
        self._answers.counts.update(answers)

    @property
    def asked(self) -> Mapping[str, Asked]:
        """What was counted of checks until the last `flush`, by flag, here and beside."""
        found = self._answers.asked.copy()
        for others in self._beside:
            for flag, asked in others.asked.items():
                found[flag] = found.get(flag, Asked()).plus(asked)
        return found

    def attributes_ignored(self, count: int) -> None:
        _add(self._ignored, (), count)

    def unknown_flag_checked(self) -> None:
        _add(self._unknown, ())

    def request_refused(self) -> None:
        _add(self._refused, ())

    def responded(self, call: str, status: int) -> None:
        tally, labels = self._responses, (call, status)
        tally[labels] = tally.get(labels, 0) + 1  # _add(), without the cost of calling it

    def change_asked(self, action: str, outcome: str) -> None:
        _add(self._changes, (action, outcome))

    def outcomes_taken(self, accepted: int, refused: int) -> None:
        _add(self._outcomes_accepted, (), accepted)
        _add(self._outcomes_refused, (), refused)

    def outcomes_repeated(self, count: int) -> None:
        _add(self._outcomes_repeated, (), count)

    def watch(self, readings: Callable[[], Readings]) -> None:
        self._readings = readings

    def flush(self) -> None:
        """Carries over what was counted since the last call. Any thread may call it."""
        with self._flushing:
            for counters in (self, *self._beside):
                counters.carry()
            self._metrics.read(self._readings())

    def carry(self) -> None:
        """What `flush` does with each."""
        self._answers.carry(self._metrics.checks)
        for carrier in self._carriers:
            carrier.carry()

    def scrape(self) -> tuple[bytes, str]:
        self.flush()
        if not self._folder:
            return generate_latest(self._registry), CONTENT_TYPE_LATEST
        _forget_dead_workers(Path(self._folder))
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


class _Metrics:
    """Prometheus' objects. Of several workers the gauges show the one that is worst off, or what they have together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(name, says, labels, registry=registry)

        self.checks = counter("rollout_checks", "Flags evaluated for somebody.", "flag", "variant", "reason")
        self.ignored = counter("rollout_ignored_attributes", "Attributes in contexts that nobody declared.")
        self.unknown = counter("rollout_unknown_flag_checks", "Checks of flags that do not exist.")
        self.refused = counter("rollout_bad_requests", "Requests refused for what was in them.")
        self.responses = counter("rollout_http_responses", "Responses over HTTP.", "call", "status")
        self.changes = counter("rollout_changes", "Changes that operators asked for.", "action", "outcome")
        self.outcomes_accepted = counter("rollout_outcomes_accepted", "Outcomes taken in.")
        self.outcomes_refused = counter("rollout_outcomes_refused", "Outcomes refused for what was in them.")
        self.outcomes_repeated = counter("rollout_outcomes_repeated", "Outcomes of intents that were counted before.")
        self._revision = Gauge(
            "rollout_revision", "The oldest revision served.", registry=registry, multiprocess_mode="livemin"
        )
        self._stale = Gauge(
            "rollout_stale", "1 while the store is out of reach.", registry=registry, multiprocess_mode="livemax"
        )
        self._file_problems = Gauge(
            "rollout_file_problems", "Errors in the flags file.", registry=registry, multiprocess_mode="livemax"
        )
        self._servers_unconfirmed = Gauge(
            "rollout_servers_unconfirmed",
            "Servers that were not heard of for ten seconds.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._outcomes_buffered = Gauge(
            "rollout_outcomes_buffered",
            "Outcomes that wait for the store.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._record_trouble = Gauge(
            "rollout_record_trouble",
            "1 while the audit's copy on this server does not follow the store.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def read(self, readings: Readings) -> None:
        self._revision.set(readings.revision)
        self._stale.set(readings.stale)
        self._file_problems.set(readings.file_problems)
        self._servers_unconfirmed.set(readings.servers_unconfirmed)
        self._outcomes_buffered.set(readings.outcomes_buffered)
        self._record_trouble.set(readings.record_trouble)


class OpenStreams(Protocol):
    """What is measured of streams; see streams/hub.py."""

    @property
    def open(self) -> int: ...

    @property
    def told(self) -> int: ...

    @property
    def refused(self) -> Mapping[str, int]: ...


class StreamGauges:
    """The stream process's metrics. They show in the same scrape as the workers', since they share the folder."""

    def __init__(self, streams: OpenStreams, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._streams = streams
        self._told = 0
        self._open = Gauge(
            "rollout_streams_open", "Streams that are open.", registry=registry, multiprocess_mode="livesum"
        )
        self._events = Counter("rollout_stream_events", "Events sent to streams.", registry=registry)
        self._refused = Counter("rollout_streams_refused", "Clients let go, by reason.", ["reason"], registry=registry)
        self._refusals: dict[str, int] = {}

    def flush(self) -> None:
        """Carries over what was counted since the last call; one thread calls it, another counts."""
        told, refused = self._streams.told, dict(self._streams.refused)
        self._open.set(self._streams.open)
        self._events.inc(told - self._told)
        for reason, count in refused.items():
            self._refused.labels(reason).inc(count - self._refusals.get(reason, 0))
        self._told, self._refusals = told, refused


class _Carrier:
    """Takes one tally over to its metric. The tally is copied, in one step under the interpreter's lock, and compared
    with the copy before: so it needs no lock of its own, and nothing counted meanwhile is lost."""

    def __init__(self, tally: Tally, metric: Counter) -> None:
        self._tally = tally
        self._metric = metric
        self._carried: Tally = {}

    def carry(self) -> None:
        counted = self._tally.copy()
        for labels, count in counted.items():
            more = count - self._carried.get(labels, 0)
            if more:
                (self._metric.labels(*labels) if labels else self._metric).inc(more)
        self._carried = counted


class _AnswerTally:
    """How often each answer was given, by the answer itself: no label is looked at while somebody waits. Answers of
    flags that changed come no more, so each time it begins anew, and what was added to the one before while it was
    taken away is carried a round later."""

    def __init__(self) -> None:
        self.counts: collections.Counter[Answer] = collections.Counter()
        self._before: collections.Counter[Answer] = collections.Counter()
        self._carried: dict[Answer, int] = {}
        self.asked: dict[str, Asked] = {}

    def carry(self, metric: Counter) -> None:
        late = {answer: count - self._carried.get(answer, 0) for answer, count in self._before.copy().items()}
        self._before, self.counts = self.counts, collections.Counter()
        self._carried = dict(self._before.copy())
        for counted in (late, self._carried):
            for answer, count in counted.items():
                if count:
                    metric.labels(answer.flag, answer.variant or "", answer.reason).inc(count)
                    self.asked[answer.flag] = self.asked.get(answer.flag, Asked()).and_(answer, count)


def _add(tally: Tally, labels: tuple[Hashable, ...], count: int = 1) -> None:
    tally[labels] = tally.get(labels, 0) + count


_LIVE_GAUGE = re.compile(r"gauge_live\w+_(\d+)\.db")


def _forget_dead_workers(folder: Path) -> None:
    """A worker that died must not hold the oldest revision for ever; its counts stay."""
    for file in folder.glob("gauge_live*.db"):
        found = _LIVE_GAUGE.fullmatch(file.name)
        if found and not _alive(int(found[1])):
            file.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def configure_logging(json: bool) -> None:
    """Log lines to standard error: as JSON for machines, else for people. What libraries log goes the same way."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=_rendering(json), foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)


_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""Without the values of variables, among which may be a caller's key or a person's attributes."""


def _rendering(json: bool) -> list[Processor]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if json:
        return [drop, structlog.processors.ExceptionRenderer(_TRACEBACKS), structlog.processors.JSONRenderer(_json)]
    plain = structlog.dev.plain_traceback
    return [drop, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _json(document: object, **_: object) -> str:
    return orjson.dumps(document, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
