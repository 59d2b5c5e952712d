"""Which servers are alive and what they serve, from their reports in a status document. A server is as far as the
slowest of its workers; its own process answers no checks, so it does not count. Who was not heard for a while may serve
anything, and is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from rollout.service.spans import span_words

Report: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Servers:
    live: Mapping[str, int]  # server -> the revision that all of its workers have
    silent: Mapping[str, timedelta]  # server, or worker of a live one -> how long ago it was heard

    def lagging(self, revision: int) -> dict[str, int]:
        """The live ones that do not have it, with what they have."""
        return {name: seen for name, seen in self.live.items() if seen < revision}


def servers_of(reports: Iterable[Report]) -> Servers:
    workers = [report for report in reports if report.get("kind", "worker") == "worker"]
    live: dict[str, int] = {}
    for report in workers:
        if _confirmed(report):
            name, revision = _server(report), int(report.get("revision") or 0)
            live[name] = min(live.get(name, revision), revision)
    silent: dict[str, timedelta] = {}
    for report in workers:
        if not _confirmed(report):
            name = str(report["id"]) if _server(report) in live else _server(report)
            silent[name] = min(_age(report), silent.get(name, timedelta.max))
    return Servers(live, silent)


def open_streams(reports: Iterable[Report]) -> int | None:
    """How many clients are told of changes, by those processes that were heard lately; None where there are none."""
    told = [report["streams"]["open"] for report in reports if report.get("streams") and _confirmed(report)]
    return sum(told) if told else None


def troubles(document: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each server that lags behind the newest revision, or was not heard."""
    servers = servers_of(document["servers"])
    newest = max([document["revision"], *servers.live.values()])
    for name, seen in servers.lagging(newest).items():
        yield f"server {name} lags: it serves revision {seen}, the newest is {newest}"
    for name, age in servers.silent.items():
        yield f"server {name} was not heard for {span_words(age)}: it stopped, or may serve anything"


def _server(report: Report) -> str:
    return str(report.get("server", report["id"]))


def _confirmed(report: Report) -> bool:
    return bool(report.get("confirmed", True))


def _age(report: Report) -> timedelta:
    return timedelta(milliseconds=report.get("age_ms", 0))
