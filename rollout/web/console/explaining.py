"""Why somebody has a flag or not, or had it at a past moment, for those who answer people: a sentence, one that may be
read to them, the steps behind it, what would change it, and text for a ticket. It changes nothing: support may use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, request

from rollout.core.context import MAX_ATTRIBUTES
from rollout.core.errors import InvalidInput, RolloutError
from rollout.core.keys import Permission
from rollout.core.sentences import USUAL
from rollout.service import reports
from rollout.service.words import Document
from rollout.web.asking import check_store, from_store_or_snapshot
from rollout.web.authorisation import needs
from rollout.web.console.pages import Console
from rollout.web.console.words import headline, then_words
from rollout.web.errors import STATUS
from rollout.web.evaluate import read_query

ATTRIBUTE = "a."
"""So begin the fields that are attributes, so that one may be called `flag`."""

MOST_AT_ONCE = 200
"""Flags that are explained on one page."""

LANGUAGES = {"en": "English", "hi": "हिन्दी", "nl": "Nederlands"}
"""Of the sentence for the person, each as its speakers call it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was filled in. `flag`: none for all; `at`: none for now."""

    given: Mapping[str, str]
    flag: str | None
    at: str | None
    language: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Question:
        return cls(
            given_in(query),
            query.get("flag") or None,
            query.get("at", "").strip() or None,
            query.get("words") or USUAL,
        )

    @property
    def flags_then(self) -> set[str]:
        """Flags of which there may be none now."""
        return {self.flag} if self.flag and self.at else set()


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/explain")
    @needs(Permission.EXPLAIN)
    def explain_page() -> Response:
        question = Question.of(read_query(request.query_string))
        try:
            return _page(console, question, _answers(console, question))
        except RolloutError as error:  # is said beside what was filled in, to be put right there
            return _page(console, question, [], error)


def _page(
    console: Console, question: Question, explained: Sequence[Document], error: RolloutError | None = None
) -> Response:
    state = console.parts.follower.current.state
    return console.page(
        "explain.html",
        STATUS[error.code] if error else 200,
        question=question,
        flags=sorted({*state.records, *question.flags_then}),
        attributes=list(state.definitions.attributes.values()),
        given=question.given,
        prefix=ATTRIBUTE,
        languages=LANGUAGES,
        explained=explained,
        error=error,
        ticket="\n\n".join(ticket(question.given, one) for one in explained),
    )


def _answers(console: Console, question: Question) -> list[Document]:
    if not question.given:
        return []
    if question.at is not None:
        return [_explain_then(console, question, question.at)]
    keys = [question.flag] if question.flag else sorted(console.parts.follower.current.state.records)[:MOST_AT_ONCE]
    return [_explain(console, key, question) for key in keys]


def given_in(query: Mapping[str, str]) -> dict[str, str]:
    """The attributes that were filled in."""
    fields = {name.removeprefix(ATTRIBUTE): value.strip() for name, value in query.items() if _is_attribute(name)}
    return {name: value for name, value in list(fields.items())[:MAX_ATTRIBUTES] if value}


def _is_attribute(name: str) -> bool:
    return name.startswith(ATTRIBUTE)


def _explain(console: Console, key: str, question: Question) -> Document:
    parts, given, language = console.parts, question.given, question.language
    return from_store_or_snapshot(
        parts.follower,
        lambda: parts.desk.explain(key, given, words=language),
        lambda: reports.explain_report(parts.follower.current, key, given, {}, language),
    )


def _explain_then(console: Console, question: Question, at: str) -> Document:
    """Of one flag, since each look into the past holds up checks for a while."""
    if question.flag is None:
        raise InvalidInput("a past moment is asked of one flag at a time", "choose the flag that it is about")
    check_store(console.parts.follower)
    return console.parts.desk.explain(question.flag, question.given, at=at, words=question.language)


def ticket(given: Mapping[str, str], one: Document) -> str:
    """What to paste where a person asked."""
    about = ", ".join(f"{name} {value}" for name, value in given.items())
    lines = [headline(given, one), f"Asked with: {about}.", *_changes(one), f"For them: {one['words']['sentence']}"]
    return "\n".join([*lines, then_words(one) or f"Revision {one['revision']}."])


def _changes(one: Document) -> Iterable[str]:
    would = "would have changed" if "in_force" in one else "would change"
    return [f"It {would}: {said}." for said in one["would_change"]]
