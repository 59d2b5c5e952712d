"""Judges what is reported back, once a minute, and acts on it. Every server does; the watch that it was judged from
makes exactly one of them count a minute and act on what it shows: whoever comes second finds another watch there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rollout.core.audit import Actor
from rollout.core.errors import RevisionConflict, UnknownFlag
from rollout.core.guard_words import finding_words
from rollout.core.guards import Guard
from rollout.core.outcomes import read_counts
from rollout.core.plans import stages_done
from rollout.core.progress import FlagRecord, State
from rollout.core.progression import Moment, Verdict
from rollout.core.watching import Finding, Watch, acted, findings, verdict_of, watch_minute, worst_of
from rollout.service.answers import Answer
from rollout.service.encoding import decode_watch, encode_watch
from rollout.service.operations import EPOCH, Operations, Request
from rollout.service.ports import FlagStore, Judged

MOST_MINUTES = 170
"""That are looked at after a pause; the store keeps the counters of three hours."""

MOST_TRIPS = 50
"""In one round: with more groups than that out of bounds at once, a second later comes the next round."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A watch, and the document that it was read from."""

    document: bytes
    watch: Watch


@dataclass(slots=True)
class Watches:
    """What the store holds of all watches; what did not change since the last look is not read again."""

    store: FlagStore
    known: dict[str, Watched] = field(default_factory=dict)

    def look(self) -> Mapping[str, Watched]:
        """Raises StoreUnavailable."""
        read = {key: self._read(key, document) for key, document in self.store.evidence().items()}
        self.known = {key: watched for key, watched in read.items() if watched is not None}
        return self.known

    def _read(self, key: str, document: bytes) -> Watched | None:
        before = self.known.get(key)
        if before is not None and before.document == document:
            return before
        try:
            return Watched(document, decode_watch(document))
        except Exception:  # what cannot be read says nothing: that flag's guards are silent, and the others go on
            return None


@dataclass(frozen=True, slots=True)
class Judge:
    """`server` names this server in the audit."""

    store: FlagStore
    operations: Operations
    watches: Watches
    server: str

    def judge(self, state: State, moment: Moment) -> list[Answer]:
        """Looks at the minutes that are over, and acts on what they show. Raises StoreUnavailable."""
        watched = [record for record in state.records.values() if guards_of(record, state)]
        if not watched:
            return []
        known = self.watches.look()
        done = [answer for record in watched for answer in self._flag(record, state, moment, known)]
        if done:
            self.watches.look()
        return done

    def _flag(self, record: FlagRecord, state: State, moment: Moment, known: Mapping[str, Watched]) -> Iterator[Answer]:
        guards, over, stage = guards_of(record, state), minute_of(moment.at) - 1, stage_minute(record)
        before = known.get(record.flag.key)
        if before is None and not record.progress.exposure:
            return  # nobody has it by its rollout
        watch = before.watch if before else Watch(min(stage - 1, over) if stage else over)
        if watch.judged < over:
            watch = self._minutes(record.flag.key, watch, guards, stage, over)
        found = list(findings(watch, guards, state.definitions.attributes))
        document = before.document if before else None
        if not found:
            if before is None or watch != before.watch:
                self.store.judge(record.flag.key, document, encode_watch(watch))
            return
        for finding in found[:MOST_TRIPS]:
            done = self._trip(record.flag.key, finding, watch, document)
            if done is None:
                return  # another server was quicker; the next round sees what it did
            answer, watch, document = done
            yield answer

    def _minutes(self, key: str, watch: Watch, guards: Sequence[Guard], stage: int, over: int) -> Watch:
        if over - watch.judged > MOST_MINUTES:  # nobody was there, and the counters are gone
            watch = replace(watch, judged=over - MOST_MINUTES)
        counts = self.store.outcome_counts(key, watch.judged + 1, over)
        for minute in range(watch.judged + 1, over + 1):
            fields, folded = read_counts(counts.get(minute, {}))
            watch = watch_minute(watch, guards, fields, stage, folded)
        return watch

    def _trip(
        self, key: str, finding: Finding, watch: Watch, document: bytes | None
    ) -> tuple[Answer, Watch, bytes] | None:
        guard = finding.guard
        request = Request(
            actor=Actor(f"guard:{guard.name}", "guard", self.server, "rollout serve"),
            reason=finding_words(finding),
            request_id=f"guard:{key}:{guard.name}:{finding.value or ''}:{watch.judged}:{finding.drill}",
        )
        after = acted(watch, finding)
        written = encode_watch(after)
        try:
            answer = self.operations.trip(key, finding, Judged(document, written), request)
        except (RevisionConflict, UnknownFlag):
            return None
        return answer, after, written


def guards_of(record: FlagRecord, state: State) -> list[Guard]:
    """The guards that watch a flag where it stands: the rollout's own, and those of the stages that were entered."""
    defined = state.definitions.guards
    return [defined[name] for name in guard_names(record) if name in defined]


def guard_names(record: FlagRecord) -> tuple[str, ...]:
    rollout = record.flag.rollout
    if rollout is None:
        return ()
    entered = rollout.stages[: stages_done(rollout.stages, record.progress.exposure)]
    return tuple(dict.fromkeys([*rollout.guards, *(guard for stage in entered for guard in stage.guards)]))


def verdicts(record: FlagRecord, state: State, watched: Watched | None, moment: Moment) -> dict[str, Verdict]:
    """Of each guard that watches. A guard that is not defined cannot be judged: silence never counts as health."""
    watch, minute, stage = watched.watch if watched else None, minute_of(moment.at), stage_minute(record)
    defined, attributes = state.definitions.guards, state.definitions.attributes
    return {
        name: verdict_of(defined[name], watch, attributes, minute, stage) if name in defined else Verdict.SOURCE_SILENT
        for name in guard_names(record)
    }


def verdict(record: FlagRecord, state: State, watched: Watched | None, moment: Moment) -> Verdict:
    """On the health of a rollout: the worst of its guards'."""
    return worst_of(verdicts(record, state, watched, moment).values())


def stage_minute(record: FlagRecord) -> int:
    """In which what is live began; 0 where that is not known."""
    return minute_of(record.progress.entered_at) if record.progress.entered_at else 0


def minute_of(at: datetime) -> int:
    return (at - EPOCH) // timedelta(minutes=1)


def instant_of(minute: int) -> datetime:
    """When it began."""
    return EPOCH + timedelta(minutes=minute)
