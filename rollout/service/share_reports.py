"""What people are told of a share: what was served of it lately, against what was intended, and what looks broken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from rollout.core.asking import attributes_of
from rollout.core.documents import instant_text
from rollout.core.draws import Draw
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.served_shares import Comparison, Finding, Seen, compare
from rollout.service.draws import PERIOD_MS, PERIODS, comparable, seen_of
from rollout.service.ports import FlagStore
from rollout.service.snapshot import Snapshot

Document: TypeAlias = dict[str, Any]


def share_report(store: FlagStore, snapshot: Snapshot, flag: str, at: datetime) -> Document | None:
    """Of the last quarter of an hour, or since the share is what it is. None where no one share decides. `at`: by the
    store's clock."""
    record, ruleset = snapshot.state.records.get(flag), snapshot.evaluator.ruleset
    draw = comparable(flag, ruleset) if record is not None and flag in ruleset.flags else None
    if record is None or draw is None:
        return None
    last = int(at.timestamp() * 1000) // PERIOD_MS
    first = last - PERIODS + 1
    seen = seen_of(draw, store.drawn(flag, range(first, last + 1)))
    since = datetime.fromtimestamp(first * PERIOD_MS / 1000, UTC)
    found = compare(draw, seen)
    return {
        "share": str(draw.share),
        "audience": draw.audience,
        "since": instant_text(max(since, record.progress.entered_at or since)),
        "minutes": round((at - since) / timedelta(minutes=1)),
        "checks": seen.checks,
        "audience_checks": seen.audience,
        "on_checks": seen.inside,
        "people": found.people,
        "percent": found.percent,
        "lowest": found.lowest,
        "highest": found.highest,
        "verdict": _verdict(found),
        "warnings": list(_warnings(draw, seen, found, snapshot)),
    }


def _verdict(found: Comparison) -> str:
    if found.findings:
        return "look at it"
    return "too few people" if found.percent is None else "as intended"


def _warnings(draw: Draw, seen: Seen, found: Comparison, snapshot: Snapshot) -> Iterator[str]:
    attributes = sorted(attributes_of(draw.audience, snapshot.evaluator.ruleset))
    for finding in found.findings:
        match finding:
            case Finding.SHARE:
                yield (
                    f"{found.percent:.3g}% of the people asked for are on, and {draw.share} were drawn: a client asks "
                    "for some of them only, keeps old answers, or decides by itself"
                )
            case Finding.ONE_PERSON:
                yield f"most checks name one and the same {TARGETING_ATTRIBUTE}: does the client send everyone's own?"
            case Finding.NOBODY_TWICE:
                yield (
                    f"nearly every check names a {TARGETING_ATTRIBUTE} that was not there before: where a client makes "
                    "a new one each time, nobody keeps what they were given"
                )
            case Finding.NO_AUDIENCE:
                yield (
                    f"none of {seen.checks:,} checks was of anybody in {draw.audience}: does the client send "
                    f"{' and '.join(attributes) or 'what it looks at'}?"
                )
            case Finding.NO_KEY:
                yield (
                    f"{seen.keyless:,} of {seen.checks:,} checks came without {TARGETING_ATTRIBUTE}, and no share can "
                    "be drawn of nobody"
                )
