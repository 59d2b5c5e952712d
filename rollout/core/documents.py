"""The JSON form of what the store keeps: plain dictionaries, lists, text and whole numbers, written much as flags.yaml
is. Keys that hold their default are left out. Reading back what was written gives an equal value, for every release:
only ever add keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any, TypeAlias

from rollout.core.approvals import Approvals
from rollout.core.attributes import Attribute, AttributeType
from rollout.core.definitions import Definitions
from rollout.core.flags import BOOLEAN_VARIANTS, TARGETING_ATTRIBUTE, Flag, Rule, Serving, Split, ValueType
from rollout.core.guards import CONFIDENT, Guard, GuardAction, Rate
from rollout.core.keys import Key, Role
from rollout.core.pending import Agreement, Bound, Pending, Person
from rollout.core.plans import Exposure, Rollout, Stage
from rollout.core.progress import Exclusion, FileInForce, FlagRecord, Progress, State, Stop
from rollout.core.segments import (
    EVERYONE,
    AttributeCondition,
    Compare,
    Condition,
    Contains,
    EndsWith,
    Match,
    MemberList,
    NoneOf,
    OneOf,
    Segment,
    SegmentCondition,
    StartsWith,
    Test,
)
from rollout.core.sessions import Ended
from rollout.core.shares import Share
from rollout.core.windows import Window

Document: TypeAlias = dict[str, Any]


def record_document(record: FlagRecord) -> Document:
    """One flag, whole: its definition and where it stands."""
    return _slim(
        flag=flag_document(record.flag),
        progress=progress_document(record.progress),
        revision=record.revision,
        in_file=None if record.in_file else False,
    )


def read_record(document: Document) -> FlagRecord:
    return FlagRecord(
        flag=read_flag(document["flag"]),
        progress=read_progress(document.get("progress", {})),
        revision=document["revision"],
        in_file=document.get("in_file", True),
    )


def shared_document(state: State) -> Document:
    """What belongs to no single flag."""
    definitions = state.definitions
    keys = {"keys": [key_document(key) for key in state.keys.values()]} if state.keys else {}
    approvals = {"approvals": _approvals(definitions.approvals)} if definitions.approvals else {}
    pending = {"pending": [pending_document(one) for one in state.pending.values()]} if state.pending else {}
    ended = {"ended": ended_document(state.ended)} if state.ended else {}
    return {
        **approvals,
        **pending,
        **ended,
        "attributes": [attribute_document(attribute) for attribute in definitions.attributes.values()],
        "segments": [segment_document(segment) for segment in definitions.segments.values()],
        "guards": [guard_document(guard) for guard in definitions.guards.values()],
        "windows": [_window(window) for window in definitions.windows.values()],
        "archived": sorted(state.archived),
        "file": _file(state.file) if state.file else None,
        "earlier_files": list(state.earlier_files),
        **keys,
    }


def read_shared(document: Document, revision: int, records: Mapping[str, FlagRecord]) -> State:
    attributes = [read_attribute(one) for one in document["attributes"]]
    segments = [read_segment(one) for one in document["segments"]]
    guards = [read_guard(one) for one in document["guards"]]
    windows = [_read_window(one) for one in document.get("windows", ())]
    keys = [read_key(one) for one in document.get("keys", ())]
    return State(
        revision=revision,
        definitions=Definitions(
            attributes={attribute.name: attribute for attribute in attributes},
            segments={segment.name: segment for segment in segments},
            guards={guard.name: guard for guard in guards},
            windows={window.name: window for window in windows},
            approvals=_read_approvals(document["approvals"]) if "approvals" in document else None,
        ),
        records=records,
        archived=frozenset(document["archived"]),
        file=_read_file(document["file"]) if document["file"] else None,
        earlier_files=tuple(document["earlier_files"]),
        keys={key.id: key for key in keys},
        pending={one["id"]: read_pending(one) for one in document.get("pending", ())},
        ended=read_ended(document.get("ended", {})),
    )


def ended_document(ended: Ended) -> Document:
    return {session: instant_text(until) for session, until in ended.items()}


def read_ended(document: Document) -> Ended:
    return {session: read_instant(until) for session, until in document.items()}


def key_document(key: Key) -> Document:
    return _slim(
        id=key.id,
        role=key.role.value,
        name=key.name,
        digest=key.digest,
        created_at=instant_text(key.created_at),
        created_by=key.created_by,
        expires_at=instant_text(key.expires_at) if key.expires_at else None,
        revoked=_stop(key.revoked) if key.revoked else None,
        rate=key.rate,
        replaced_by=key.replaced_by,
    )


def read_key(document: Document) -> Key:
    return Key(
        id=document["id"],
        role=Role(document["role"]),
        name=document["name"],
        digest=document["digest"],
        created_at=read_instant(document["created_at"]),
        created_by=document.get("created_by", ""),
        expires_at=read_instant(document["expires_at"]) if "expires_at" in document else None,
        revoked=_read_stop(document["revoked"]) if "revoked" in document else None,
        rate=document.get("rate"),
        replaced_by=document.get("replaced_by", ""),
    )


def progress_document(progress: Progress) -> Document:
    return _slim(
        exposure=exposure_document(progress.exposure),
        halted=_stop(progress.halted) if progress.halted else None,
        killed=_stop(progress.killed) if progress.killed else None,
        excluded=[_exclusion(one) for one in progress.excluded],
        entered_at=instant_text(progress.entered_at) if progress.entered_at else None,
        baking_from_ms=_milliseconds(progress.baking_from),
        baking_to_ms=_milliseconds(progress.baking_to),
    )


def read_progress(document: Document) -> Progress:
    return Progress(
        exposure={audience: Share.parse(share) for audience, share in document.get("exposure", {}).items()},
        halted=_read_stop(document["halted"]) if "halted" in document else None,
        killed=_read_stop(document["killed"]) if "killed" in document else None,
        excluded=tuple(_read_exclusion(one) for one in document.get("excluded", ())),
        entered_at=read_instant(document["entered_at"]) if "entered_at" in document else None,
        baking_from=_read_milliseconds(document, "baking_from_ms"),
        baking_to=_read_milliseconds(document, "baking_to_ms"),
    )


def exposure_document(exposure: Exposure) -> Document:
    return {audience: str(share) for audience, share in exposure.items()}


def flag_document(flag: Flag) -> Document:
    return _slim(
        key=flag.key,
        description=flag.description,
        owner=flag.owner,
        enabled=flag.enabled or None,
        type=None if flag.type is ValueType.BOOLEAN else flag.type.value,
        variants=None if _has_boolean_variants(flag) else dict(flag.variants),
        off=None if flag.off == "off" else flag.off,
        no_off=flag.off is None or None,
        on=None if flag.on == "on" else serving_document(flag.on),
        audience=flag.audience,
        requires=list(flag.requires),
        rules=[{"match": match_document(rule.match), "serve": serving_document(rule.serve)} for rule in flag.rules],
        rollout=_rollout(flag.rollout) if flag.rollout else None,
        salt=None if flag.salt == flag.key else flag.salt,
        bucket_by=None if flag.bucket_by == TARGETING_ATTRIBUTE else flag.bucket_by,
        locked=flag.locked or None,
        client=None if flag.client else False,
        expires=flag.expires.isoformat() if flag.expires else None,
        tags=list(flag.tags),
    )


def _has_boolean_variants(flag: Flag) -> bool:
    # The type counts, since to Python 1 and 1.0 are equal to True.
    return flag.type is ValueType.BOOLEAN and flag.variants == BOOLEAN_VARIANTS


def read_flag(document: Document) -> Flag:
    return Flag(
        key=document["key"],
        description=document["description"],
        owner=document["owner"],
        enabled=document.get("enabled", False),
        type=ValueType(document.get("type", "boolean")),
        variants=document.get("variants", BOOLEAN_VARIANTS),
        off=None if "no_off" in document else document.get("off", "off"),
        on=read_serving(document.get("on", "on")),
        audience=document.get("audience"),
        requires=tuple(document.get("requires", ())),
        rules=tuple(Rule(read_match(r["match"]), read_serving(r["serve"])) for r in document.get("rules", ())),
        rollout=_read_rollout(document["rollout"]) if "rollout" in document else None,
        salt=document.get("salt") or document["key"],
        bucket_by=document.get("bucket_by", TARGETING_ATTRIBUTE),
        locked=document.get("locked", False),
        client=document.get("client", True),
        expires=date.fromisoformat(document["expires"]) if "expires" in document else None,
        tags=tuple(document.get("tags", ())),
    )


def serving_document(serving: Serving) -> str | Document:
    if isinstance(serving, Split):
        return {"split": [[variant, str(share)] for variant, share in serving.shares]}
    return serving


def read_serving(document: str | Document) -> Serving:
    if isinstance(document, str):
        return document
    return Split(tuple((variant, Share.parse(share)) for variant, share in document["split"]))


def match_document(match: Match) -> list[Document]:
    return [_condition(condition) for condition in match.conditions]


def read_match(document: list[Document]) -> Match:
    return Match(tuple(_read_condition(condition) for condition in document))


def _rollout(rollout: Rollout) -> Document:
    return _slim(
        audience=None if rollout.audience == EVERYONE else rollout.audience,
        plan=rollout.plan,
        bake=_seconds(rollout.bake),
        guards=list(rollout.guards),
        windows=list(rollout.windows),
        stages=[_stage(stage) for stage in rollout.stages],
    )


def _read_rollout(document: Document) -> Rollout:
    return Rollout(
        audience=document.get("audience", EVERYONE),
        stages=tuple(_read_stage(stage) for stage in document["stages"]),
        guards=tuple(document.get("guards", ())),
        bake=timedelta(seconds=document.get("bake", 0)),
        plan=document.get("plan"),
        windows=tuple(document.get("windows", ())),
    )


def _stage(stage: Stage) -> Document:
    return _slim(
        name=stage.name,
        audience=stage.audience,
        share=str(stage.share),
        bake=_seconds(stage.bake),
        approval=stage.approval or None,
        guards=list(stage.guards),
        by_segment=stage.by_segment or None,
    )


def _read_stage(document: Document) -> Stage:
    return Stage(
        name=document["name"],
        audience=document["audience"],
        share=Share.parse(document["share"]),
        bake=timedelta(seconds=document.get("bake", 0)),
        approval=document.get("approval", False),
        guards=tuple(document.get("guards", ())),
        by_segment=document.get("by_segment", False),
    )


def attribute_document(attribute: Attribute) -> Document:
    return _slim(
        name=attribute.name,
        type=attribute.type.value,
        values=list(attribute.values),
        trusted=attribute.trusted or None,
    )


def read_attribute(document: Document) -> Attribute:
    return Attribute(
        document["name"],
        AttributeType(document["type"]),
        tuple(document.get("values", ())),
        document.get("trusted", False),
    )


def segment_document(segment: Segment) -> Document:
    return _slim(
        name=segment.name,
        description=segment.description,
        any=[match_document(match) for match in segment.matches],
        members=_members(segment.members) if segment.members else None,
    )


def read_segment(document: Document) -> Segment:
    members = document.get("members")
    return Segment(
        name=document["name"],
        description=document.get("description", ""),
        matches=tuple(read_match(match) for match in document.get("any", ())),
        members=MemberList(members["file"], members["digest"], members["count"]) if members else None,
    )


def _members(members: MemberList) -> Document:
    return {"file": members.file, "digest": members.digest, "count": members.count}


def _condition(condition: Condition) -> Document:
    if isinstance(condition, SegmentCondition):
        return _slim(segments=list(condition.segments), negated=condition.negated or None)
    return {"attribute": condition.attribute, "tests": [_test(test) for test in condition.tests]}


def _read_condition(document: Document) -> Condition:
    if "segments" in document:
        return SegmentCondition(tuple(document["segments"]), document.get("negated", False))
    return AttributeCondition(document["attribute"], tuple(_read_test(test) for test in document["tests"]))


_TESTS: dict[Callable[[Any], Test], str] = {
    OneOf: "one_of",
    NoneOf: "none_of",
    StartsWith: "starts_with",
    EndsWith: "ends_with",
    Contains: "contains",
}
_TEST_OF: dict[str, Callable[[Any], Test]] = {word: test for test, word in _TESTS.items()}


def _test(test: Test) -> list[Any]:
    if isinstance(test, Compare):
        return ["compare", *([sign, operand] for sign, operand in test.bounds)]
    operands = test.values if isinstance(test, OneOf | NoneOf) else test.texts
    return [_TESTS[type(test)], *operands]


def _read_test(document: list[Any]) -> Test:
    word, *operands = document
    if word == "compare":
        return Compare(tuple((sign, operand) for sign, operand in operands))
    return _TEST_OF[word](tuple(operands))


def guard_document(guard: Guard) -> Document:
    return _slim(
        name=guard.name,
        description=guard.description,
        metric=guard.metric,
        action=guard.action.value,
        max=str(guard.max_failures) if guard.max_failures else None,
        min=[str(guard.min_rate.amount), _seconds(guard.min_rate.per)] if guard.min_rate else None,
        against=guard.against,
        max_ratio=str(guard.max_ratio) if guard.max_ratio else None,
        counts=list(guard.counts),
        by=guard.by,
        min_samples=guard.min_samples,
        confidence=None if guard.confidence == CONFIDENT else str(guard.confidence),
        no_data=_seconds(guard.no_data),
        prometheus=list(guard.prometheus or ()),
    )


def read_guard(document: Document) -> Guard:
    rate = document.get("min")
    prometheus = document.get("prometheus")
    return Guard(
        name=document["name"],
        description=document.get("description", ""),
        metric=document["metric"],
        action=GuardAction(document["action"]),
        max_failures=Share.parse(document["max"]) if "max" in document else None,
        min_rate=Rate(Fraction(rate[0]), timedelta(seconds=rate[1])) if rate else None,
        against=document.get("against"),
        max_ratio=Fraction(document["max_ratio"]) if "max_ratio" in document else None,
        counts=tuple(document.get("counts", ())),
        by=document.get("by"),
        min_samples=document.get("min_samples", 0),
        confidence=Share.parse(document["confidence"]) if "confidence" in document else CONFIDENT,
        no_data=timedelta(seconds=document.get("no_data", 0)),
        prometheus=(prometheus[0], prometheus[1]) if prometheus else None,
    )


def _window(window: Window) -> Document:
    return _slim(
        name=window.name,
        description=window.description,
        zone=window.zone,
        days=list(window.days),
        opens=window.opens.isoformat(),
        closes=window.closes.isoformat() if window.closes else None,
        avoid=[[first.isoformat(), last.isoformat()] for first, last in window.avoid],
        avoid_month_days=list(window.avoid_month_days),
    )


def _read_window(document: Document) -> Window:
    return Window(
        name=document["name"],
        description=document.get("description", ""),
        zone=document["zone"],
        days=tuple(document["days"]),
        opens=time.fromisoformat(document["opens"]),
        closes=time.fromisoformat(document["closes"]) if "closes" in document else None,
        avoid=tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in document.get("avoid", ())),
        avoid_month_days=tuple(document.get("avoid_month_days", ())),
    )


def _approvals(approvals: Approvals) -> Document:
    return {"raise": approvals.persons, "above": str(approvals.above)}


def _read_approvals(document: Document) -> Approvals:
    return Approvals(document["raise"], Share.parse(document["above"]))


def pending_document(one: Pending) -> Document:
    return _slim(
        id=one.id,
        action=one.action,
        flag=one.flag,
        content=one.content,
        on={"flags": dict(one.bound.flags), "file": one.bound.file},
        raises=list(one.raises),
        by=_slim(**{name: getattr(one.by, name) for name in _PERSON}),
        reason=one.reason,
        ticket=one.ticket,
        at=instant_text(one.at),
        expires_at=instant_text(one.expires_at),
        needed=one.needed,
        approved=[{"by": each.by, "key": each.key, "at": instant_text(each.at)} for each in one.approved],
        rejected=_stop(one.rejected) if one.rejected else None,
        done_at=one.done_at,
    )


_PERSON = ("name", "key", "kind", "host", "tool", "address")


def read_pending(document: Document) -> Pending:
    return Pending(
        id=document["id"],
        action=document["action"],
        flag=document.get("flag", ""),
        content=document.get("content", {}),
        bound=Bound(document["on"]["flags"], document["on"]["file"]),
        raises=tuple(document.get("raises", ())),
        by=Person(**{"name": "", **document.get("by", {})}),
        reason=document.get("reason", ""),
        ticket=document.get("ticket", ""),
        at=read_instant(document["at"]),
        expires_at=read_instant(document["expires_at"]),
        needed=document.get("needed", 0),
        approved=tuple(
            Agreement(each["by"], each["key"], read_instant(each["at"])) for each in document.get("approved", ())
        ),
        rejected=_read_stop(document["rejected"]) if "rejected" in document else None,
        done_at=document.get("done_at", 0),
    )


def _file(file: FileInForce) -> Document:
    return {
        "name": file.name,
        "digest": file.digest,
        "text": file.text_digest,
        "lines": file.lines_digest,
        "revision": file.revision,
        "at": instant_text(file.at),
    }


def _read_file(document: Document) -> FileInForce:
    return FileInForce(
        name=document["name"],
        digest=document["digest"],
        text_digest=document["text"],
        lines_digest=document["lines"],
        revision=document["revision"],
        at=read_instant(document["at"]),
    )


def _stop(stop: Stop) -> Document:
    return {"by": stop.by, "at": instant_text(stop.at), "reason": stop.reason}


def _read_stop(document: Document) -> Stop:
    return Stop(document["by"], read_instant(document["at"]), document["reason"])


def _exclusion(exclusion: Exclusion) -> Document:
    return {
        "attribute": exclusion.attribute,
        "value": exclusion.value,
        "guard": exclusion.guard,
        **_stop(exclusion.stop),
    }


def _read_exclusion(document: Document) -> Exclusion:
    return Exclusion(document["attribute"], document["value"], document["guard"], _read_stop(document))


def instant_text(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, which sorts as time does."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _milliseconds(span: timedelta | None) -> str | None:
    """As text: 0 would be left out, and it is not the same as None."""
    return None if span is None else str(span // timedelta(milliseconds=1))


def _read_milliseconds(document: Document, key: str) -> timedelta | None:
    return timedelta(milliseconds=int(document[key])) if key in document else None


def _slim(**entries: Any) -> Document:
    """Without what says nothing: None, zero, and empty lists, texts and mappings. False is said."""
    return {key: value for key, value in entries.items() if value or value is False}
