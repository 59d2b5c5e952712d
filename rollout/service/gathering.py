"""Brings in outcomes that live elsewhere: once a minute a guard's query is asked for the counts of the minute that is
over, and they are counted as reported ones are. Every server does; a series of a minute has a fingerprint, so it counts
once. What cannot be asked is silence, and silence never counts as health.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from rollout.core.errors import RolloutError
from rollout.core.guards import Guard
from rollout.core.outcomes import SUCCESS, UNNAMED_FAILURE, Outcome, Side, fingerprint, group_name
from rollout.core.progress import State
from rollout.core.watching import metric_of
from rollout.service.follower import Follower
from rollout.service.guarding import guards_of, instant_of, minute_of
from rollout.service.operations import moment_of
from rollout.service.ports import Counted, FlagStore

OK, CLASS, SIDE = "ok", "class", "on"
"""Labels of a series: "true" or "false"; the class of a failure; "false" for those who do not have the flag."""


class SourceUnavailable(RolloutError):
    code = "source_unavailable"


@dataclass(frozen=True, slots=True)
class Series:
    labels: Mapping[str, str]
    count: int  # outcomes in one minute


Ask: TypeAlias = Callable[[str, str, datetime], list[Series]]
"""(url, query, at): the series at this time. Raises SourceUnavailable."""


@dataclass(slots=True)
class Gatherer:
    store: FlagStore
    follower: Follower
    ask: Ask
    _done: dict[tuple[str, str], int] = field(default_factory=dict)  # (flag, guard) -> the last minute

    def look(self) -> None:
        """Raises StoreUnavailable; and SourceUnavailable once all others were asked."""
        state = self.follower.current.state
        if not any(guard.prometheus for guard in state.definitions.guards.values()):
            return
        over = minute_of(moment_of(self.store.read([])).at) - 1
        troubles = []
        for flag, guard in _asked(state):
            try:
                if self._done.get((flag, guard.name), -1) < over:
                    self._gather(flag, guard, over)
            except SourceUnavailable as error:
                troubles.append(f"guard {guard.name}: {error.message}")
        if troubles:
            raise SourceUnavailable("; ".join(troubles))

    def _gather(self, flag: str, guard: Guard, minute: int) -> None:
        url, query = guard.prometheus or ("", "")
        series = self.ask(url, query, instant_of(minute) + timedelta(minutes=1))
        counted = [_counted(flag, guard, one, minute) for one in series if one.count]
        if counted:
            self.store.count(counted)
        self._done[flag, guard.name] = minute


def _asked(state: State) -> Iterator[tuple[str, Guard]]:
    for key, record in state.records.items():
        if record.progress.exposure:
            yield from ((key, guard) for guard in guards_of(record, state) if guard.prometheus)


def _counted(flag: str, guard: Guard, series: Series, minute: int) -> Counted:
    labels = series.labels
    failure = SUCCESS if labels.get(OK) == "true" else labels.get(CLASS) or UNNAMED_FAILURE
    groups = (group_name(guard.by, labels[guard.by]),) if guard.by and labels.get(guard.by) else ()
    side = Side.CONTROL if labels.get(SIDE) == "false" else Side.ON
    outcome = Outcome(flag, metric_of(guard), side, failure, failure, groups)
    intent = f"{minute} {sorted(labels.items())}"
    return Counted(flag, fingerprint(flag, metric_of(guard), intent), outcome.fields, series.count)
