"""From what was asked to the bytes of the answer, without Flask. A check reads the snapshot that this worker holds and
nothing else: it waits for no store, disk or lock, and raises only for what the caller sent. Whatever answers checks
(Flask, or something faster in front of it) gives these bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import orjson

from rollout.core.attributes import Value
from rollout.core.context import MAX_ATTRIBUTES, read_context
from rollout.core.errors import InvalidInput, StoreUnavailable, UnknownFlag
from rollout.core.evaluation import Answer, ErrorCode
from rollout.core.flags import FLAG_KEY, TARGETING_ATTRIBUTE
from rollout.service.follower import Follower
from rollout.service.gate import ANYBODY, Caller
from rollout.service.measures import Counters
from rollout.service.snapshot import Snapshot
from rollout.web.parts import Served, ServedOne, nobody_counts, nobody_counts_one

BY_GUARD = "guard "
"""So begins what decided where a guard took the flag from somebody."""

Given: TypeAlias = Mapping[str, object]


FOR_APPS = {
    ErrorCode.TARGETING_KEY_MISSING: "the context does not say who it is",
    ErrorCode.GENERAL: "this flag cannot be evaluated",
}
"""What an app is told of a flag that serves its off side with an error."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Answers, and how fresh they are."""

    answers: Mapping[str, Answer]
    revision: int
    stale: bool


@dataclass(frozen=True, slots=True)
class Checker:
    """Evaluates for callers, and counts it. To a person's app a flag marked `client: false` is one that does not exist,
    and an answer never says what decided it."""

    follower: Follower
    counters: Counters
    served: Served = nobody_counts
    served_one: ServedOne = nobody_counts_one

    def one(
        self, key: str, given: Given, caller: Caller = ANYBODY, signed: Given | None = None
    ) -> tuple[Answer, int, bool]:
        """One flag's answer, the revision, and whether that may be out of date. Raises UnknownFlag, InvalidInput, and
        StoreUnavailable where this server has never seen any flags."""
        snapshot, stale = self.follower.current, self.follower.stale
        flag = snapshot.evaluator.flags.get(key)
        if flag is None or (caller.is_app and not is_for_apps(key, snapshot)):
            check_ready(snapshot, stale)
            self.counters.unknown_flag_checked()
            raise _unknown_flag(key)
        context = self._context(given, snapshot, caller, signed)
        answer = flag(context)
        self.counters.checked(answer)
        self.served_one(answer, context.get(TARGETING_ATTRIBUTE))
        return as_told_to(caller, answer), snapshot.revision, stale

    def all(self, given: Given, caller: Caller = ANYBODY, signed: Given | None = None) -> Checked:
        """Every flag's answer. Raises InvalidInput, StoreUnavailable as above."""
        snapshot, stale = self.follower.current, self.follower.stale
        check_ready(snapshot, stale)
        context = self._context(given, snapshot, caller, signed)
        seen = snapshot.evaluator.all(context)
        if caller.is_app:
            seen = tuple(answer for answer in seen if is_for_apps(answer.flag, snapshot))
        self.counters.all_checked(seen)
        self.served(seen, context.get(TARGETING_ATTRIBUTE))
        answers = {answer.flag: as_told_to(caller, answer) for answer in seen}
        return Checked(answers, snapshot.revision, stale)

    def _context(self, given: Given, snapshot: Snapshot, caller: Caller, signed: Given | None) -> dict[str, Value]:
        """What the app's back end signed counts more than what the caller says."""
        attributes = snapshot.evaluator.ruleset.attributes
        context, ignored = read_context(given, attributes, believed=not caller.is_app)
        if signed:
            context |= read_context(signed, attributes)[0]
        if ignored:
            self.counters.attributes_ignored(ignored)
        return context


def is_for_apps(key: str, snapshot: Snapshot) -> bool:
    return snapshot.state.records[key].flag.client


def as_told_to(caller: Caller, answer: Answer) -> Answer:
    """Stages, rules, guards and what a flag goes by are no app's business."""
    if not caller.is_app:
        return answer
    return replace(answer, because="", error=FOR_APPS.get(answer.error_code) if answer.error_code else None)


def read_query(query: bytes) -> dict[str, str]:
    """What a query says. Raises InvalidInput for what `read_pairs` refuses, and for a parameter that is given twice
    (who would know which of them counts?)."""
    pairs = read_pairs(query)
    given = dict(pairs)
    if len(given) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in given if names.count(name) > 1)
        raise InvalidInput(f"{twice[:100]!r} is given twice", "send it once")
    return given


def read_pairs(query: bytes) -> list[tuple[str, str]]:
    """The names and values of a query. Raises InvalidInput for more of them than a context may have, and for what is
    not UTF-8."""
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=MAX_ATTRIBUTES, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("the query is not UTF-8", "percent-encode the bytes of UTF-8 text") from None
    except ValueError:
        many = query.count(b"&") + 1
        raise InvalidInput(f"{many} parameters are too many", f"send at most {MAX_ATTRIBUTES}") from None


def check_document(answer: Answer, revision: int, stale: bool) -> dict[str, Any]:
    document = {
        "flag": answer.flag,
        "on": answer.on,
        "value": answer.value,
        "variant": answer.variant,
        "reason": answer.reason,
        "revision": revision,
        "stale": stale,
    }
    if answer.because.startswith(BY_GUARD):
        document["guard"] = answer.because.removeprefix(BY_GUARD)
    if answer.error_code is not None:
        document["error"] = {"code": answer.error_code, "message": answer.error}
    return document


def check_body(answer: Answer, revision: int, stale: bool) -> bytes:
    """The answer to `GET /v1/flags/{key}`."""
    return orjson.dumps(check_document(answer, revision, stale))


def all_checks_body(checked: Checked) -> bytes:
    """The answer to `GET /v1/flags`."""
    revision, stale = checked.revision, checked.stale
    flags = {key: check_document(answer, revision, stale) for key, answer in checked.answers.items()}
    return orjson.dumps({"flags": flags, "revision": revision, "stale": stale})


def check_ready(snapshot: Snapshot, stale: bool) -> None:
    """A server that has never seen the flags must not say that they do not exist."""
    if stale and snapshot.revision == 0:
        raise StoreUnavailable("this server has no flags to answer from yet", "use your own default, and ask again")


def _unknown_flag(key: str) -> UnknownFlag:
    if FLAG_KEY.fullmatch(key):
        return UnknownFlag(f"no flag called {key!r}", "`rollout status` lists them")
    return UnknownFlag("no flag has this name", "keys are lower-case letters, digits and hyphens")
