"""What a client evaluates from: one edition of the ruleset, compiled, swapped whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollout.core.errors import InvalidInput
from rollout.core.evaluation import Evaluator, compile_ruleset
from rollout.core.members import Membership
from rollout.core.ruleset import Ruleset
from rollout.core.ruleset_documents import read_ruleset


@dataclass(frozen=True, slots=True)
class Edition:
    etag: str  # the service's name for it; "" for none
    evaluator: Evaluator
    members: Mapping[str, Membership]  # digest -> member list
    left_out: tuple[str, ...] = ()  # flags and segments that could not be read

    @property
    def revision(self) -> int:
        return self.evaluator.ruleset.revision


def edition_of(ruleset: Ruleset, members: Mapping[str, Membership], etag: str = "") -> Edition:
    return Edition(etag, compile_ruleset(ruleset, members), members)


NOTHING = edition_of(Ruleset(0, {}, {}, {}), {})
"""Before the first answer."""


def next_edition(document: object, before: Edition, members: Callable[[str], Membership]) -> Edition:
    """What the service's answer makes of `before`, compiling only what changed. `members` gets a member list that is
    not here yet. Raises InvalidInput for an answer that is no ruleset, or news of another edition."""
    ruleset, left_out = read_ruleset(document, before.evaluator.ruleset if before.etag else None)
    said: Mapping[str, object] = document  # type: ignore[assignment]  # or it would not have been read
    if "since" in said and said["since"] != before.etag:
        raise InvalidInput("these are news of another edition than the one here", "ask for the whole ruleset")
    digests = [segment.members.digest for segment in ruleset.segments.values() if segment.members]
    lists = {digest: before.members.get(digest) or members(digest) for digest in digests}
    evaluator = compile_ruleset(ruleset, lists, before.evaluator if "since" in said else None)
    return Edition(str(said.get("etag", "")), evaluator, lists, left_out)


def changed_flags(before: Edition, after: Edition) -> frozenset[str]:
    """Those that may answer otherwise: whose own rules differ, or all where attributes or segments do."""
    old, new = before.evaluator.ruleset, after.evaluator.ruleset
    keys = old.flags.keys() | new.flags.keys()
    if (old.attributes, old.segments) != (new.attributes, new.segments):
        return frozenset(keys)
    return frozenset(key for key in keys if old.flags.get(key) != new.flags.get(key))
