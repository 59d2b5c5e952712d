"""A ruleset as JSON documents: what travels to clients that evaluate by themselves. A whole one says everything; news
say what differs from the one that the reader has. Readers leave out what they do not know: members of a document that
were added later are skipped, and a flag or segment that cannot be read fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from rollout.core.attributes import Attribute
from rollout.core.documents import (
    Document,
    attribute_document,
    flag_document,
    read_attribute,
    read_flag,
    read_segment,
    segment_document,
)
from rollout.core.errors import InvalidInput
from rollout.core.flags import Flag
from rollout.core.ruleset import Admission, Excluded, FlagRules, Ruleset
from rollout.core.segments import Segment
from rollout.core.shares import Share

FORMAT = 1
"""Raised when a reader of an earlier format would evaluate wrongly, and never else."""

Read = TypeVar("Read")


def ruleset_document(ruleset: Ruleset) -> Document:
    """A whole ruleset."""
    flags = {key: rules_document(rules) for key, rules in ruleset.flags.items()}
    return {"format": FORMAT, "revision": ruleset.revision, **ground_document(ruleset), "flags": flags}


def ground_document(ruleset: Ruleset) -> Document:
    """What flags stand on: attributes, and segments without the words that only people read."""
    return {
        "attributes": [attribute_document(attribute) for attribute in ruleset.attributes.values()],
        "segments": [segment_document(replace(segment, description="")) for segment in ruleset.segments.values()],
    }


def rules_document(rules: FlagRules) -> Document:
    document = flag_document(
        Flag(
            key=rules.key,
            description="",
            owner="",
            enabled=rules.enabled,
            type=rules.type,
            variants=rules.variants,
            off=rules.off,
            on=rules.on,
            requires=rules.requires,
            rules=rules.rules,
            salt=rules.salt,
            bucket_by=rules.bucket_by,
            client=rules.client,
        )
    )
    if rules.killed:
        document["killed"] = True
    if rules.has_rollout:
        document["has_rollout"] = True
    if rules.admissions:
        document["admissions"] = [_admission(admission) for admission in rules.admissions]
    if rules.excluded:
        document["excluded"] = [[one.attribute, one.value, one.guard] for one in rules.excluded]
    return document


def read_rules(document: Document) -> FlagRules:
    flag = read_flag({"description": "", "owner": "", **document})
    return FlagRules(
        key=flag.key,
        type=flag.type,
        variants=flag.variants,
        off=flag.off,
        on=flag.on,
        enabled=flag.enabled,
        killed=document.get("killed", False),
        requires=flag.requires,
        rules=flag.rules,
        admissions=tuple(_read_admission(admission) for admission in document.get("admissions", ())),
        salt=flag.salt,
        bucket_by=flag.bucket_by,
        client=flag.client,
        has_rollout=document.get("has_rollout", False),
        excluded=tuple(Excluded(*one[:3]) for one in document.get("excluded", ())),
    )


def read_ruleset(document: object, before: Ruleset | None = None) -> tuple[Ruleset, tuple[str, ...]]:
    """The ruleset that a whole document says, or `before` with the news in it (what did not change are the very objects
    of before); and the names of flags and segments that were left out since they cannot be read.

    Raises InvalidInput for what is no ruleset, is of a later format, or is news without a `before`.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("flags"), Mapping):
        raise InvalidInput("this is not a ruleset", "is it the address of the rollout service?")
    if document.get("format") != FORMAT:
        raise InvalidInput(f"the ruleset is of format {document.get('format')!r}", f"this reads {FORMAT}: update it")
    if "since" in document and before is None:
        raise InvalidInput("these are news of a ruleset that is not here", "ask for the whole ruleset")
    start = before if before is not None and "since" in document else Ruleset(0, {}, {}, {})
    left_out: list[str] = []
    try:
        attributes, segments = _ground(document, start, left_out)
        flags = {**start.flags, **_each(document["flags"], read_rules, left_out)}
        for key in (*document.get("removed", ()), *left_out):
            flags.pop(key, None)
        return Ruleset(int(document["revision"]), attributes, segments, flags), tuple(left_out)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"the ruleset cannot be read: {error!r}") from error


def _ground(
    document: Mapping[str, Any], start: Ruleset, left_out: list[str]
) -> tuple[Mapping[str, Attribute], Mapping[str, Segment]]:
    if "since" in document and "segments" not in document:
        return start.attributes, start.segments
    attributes = {one["name"]: one for one in document["attributes"]}
    segments = {one["name"]: one for one in document["segments"]}
    return _each(attributes, read_attribute, left_out), _each(segments, read_segment, left_out)


def _each(documents: Mapping[str, Document], read: Callable[[Document], Read], left_out: list[str]) -> dict[str, Read]:
    found = {}
    for name, document in documents.items():
        try:
            found[name] = read(document)
        except Exception:  # written by a later version, perhaps: the others are good
            left_out.append(name)
    return found


def _admission(admission: Admission) -> Document:
    document: Document = {"audience": admission.audience, "share": str(admission.share), "stage": admission.stage}
    return {**document, "by_segment": True} if admission.by_segment else document


def _read_admission(document: Document) -> Admission:
    share = Share.parse(document["share"])
    return Admission(document["audience"], share, document["stage"], document.get("by_segment", False))
