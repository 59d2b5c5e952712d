"""What two versions of a flag or of the segments say differently about who has what, in words. What nobody outside
would notice (owners, descriptions, tags) is no difference here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollout.core.flags import Flag, Rule, Serving
from rollout.core.plans import Stage
from rollout.core.segments import Match, Segment, segments_in
from rollout.core.wording import condition_words

NONE = "none"


@dataclass(frozen=True, slots=True)
class Edit:
    what: str
    before: str | None
    after: str | None  # None: it is not there


def flag_edits(before: Flag, after: Flag) -> tuple[Edit, ...]:
    had, has = dict(_words(before)), dict(_words(after))
    return tuple(Edit(what, had[what], has[what]) for what in had if had[what] != has[what])


def _words(flag: Flag) -> Iterator[tuple[str, str]]:
    yield "enabled in the file", "yes" if flag.enabled else "no"
    yield "requires", ", ".join(flag.requires) or NONE
    yield "rules", "; ".join(map(_rule_words, flag.rules)) or NONE
    yield "variants", json.dumps(dict(flag.variants), sort_keys=True, default=dict)
    yield "served to those who have it", serving_words(flag.on)
    yield "served to the others", flag.off or "the app's own default"
    yield "stages", ", ".join(map(_stage_words, flag.stages)) or NONE
    yield "divided by", flag.bucket_by
    yield "salt", flag.salt  # another one deals all places anew
    yield "for apps", "yes" if flag.client else "no"


def serving_words(serve: Serving) -> str:
    """ "large", "large 50%, small 50%"."""
    return serve if isinstance(serve, str) else ", ".join(f"{variant} {share}" for variant, share in serve.shares)


def _rule_words(rule: Rule) -> str:
    return f"{serving_words(rule.serve)} where {_match_words(rule.match)}"


def _match_words(match: Match) -> str:
    return ", ".join(map(condition_words, match.conditions)) or "anybody"


def _stage_words(stage: Stage) -> str:
    return stage.name if stage.by_segment else f"{stage.share} of {stage.audience}"


def segment_edits(before: Mapping[str, Segment], after: Mapping[str, Segment]) -> tuple[Edit, ...]:
    """By the names of the segments."""
    had = {name: _segment_words(segment) for name, segment in before.items()}
    has = {name: _segment_words(segment) for name, segment in after.items()}
    names = dict.fromkeys([*has, *had])
    return tuple(Edit(name, had.get(name), has.get(name)) for name in names if had.get(name) != has.get(name))


def _segment_words(segment: Segment) -> str:
    if segment.members:
        listed = segment.members
        return f"{listed.count} listed in {listed.file} ({listed.digest[:12]})"
    return " or ".join(map(_match_words, segment.matches))


def users_of(name: str, segments: Mapping[str, Segment], flags: Sequence[Flag]) -> list[str]:
    """The flags whose rules or stages speak of a segment, directly or through other segments."""
    meant = {name}
    while wider := {
        other
        for other, segment in segments.items()
        if other not in meant and any(meant.intersection(segments_in(match)) for match in segment.matches)
    }:
        meant |= wider
    return [flag.key for flag in flags if meant.intersection(_segments_of(flag))]


def _segments_of(flag: Flag) -> Iterator[str]:
    for rule in flag.rules:
        yield from segments_in(rule.match)
    for stage in flag.stages:
        yield stage.audience
