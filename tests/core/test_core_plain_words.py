"""One sentence for the person: about what is so, in their language, and about nothing that is not their business."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.context import read_context
from rollout.core.definitions import Definitions
from rollout.core.evaluation import Evaluator
from rollout.core.flags import Flag, Rule
from rollout.core.plain_words import PlainWords, plain_words
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import Exclusion, FlagRecord, Progress, State, Stop
from rollout.core.segments import AttributeCondition, Compare, Match, OneOf, Segment
from rollout.core.sentences import SENTENCES, Case
from rollout.core.shares import EVERYBODY, Share
from rollout.service.snapshot import empty_snapshot, snapshot_of

WORDS_OF_OURS = ("payments", "flag", "segment", "guard", "stage", "rollout", "bucket", "india", "amit", "kill", "rule")
STOP = Stop("amit", datetime(2018, 2, 13, tzinfo=UTC), "it crashes")
VERSION = AttributeType.VERSION
ATTRIBUTES = {
    "country": Attribute("country", AttributeType.STRING),
    "app_version": Attribute("app_version", VERSION),
    "os_version": Attribute("os_version", VERSION),
}
IN_INDIA = AttributeCondition("country", (OneOf(("IN",)),))


def at_least(version: str, name: str = "app_version") -> AttributeCondition:
    return AttributeCondition(name, (Compare(((">=", version),)),))


def segment(*conditions: AttributeCondition) -> dict[str, Segment]:
    return {"india": Segment("india", "India", (Match(conditions),))}


def stage(share: str) -> Stage:
    return Stage(share, "india", Share.parse(share))


PLAN = Rollout("india", (stage("1%"), stage("100%")))
PAYMENTS = Flag("payments", "d", "o", enabled=True, rollout=PLAN, salt="payments")
ON = Progress({"india": EVERYBODY})
FEW = Progress({"india": Share.parse("1%")})
HER = {"user_id": "u-7", "country": "IN", "app_version": "2.17.0", "os_version": "9"}


def said(
    flag: Flag = PAYMENTS,
    progress: Progress = ON,
    segments: dict[str, Segment] | None = None,
    *others: Flag,
    her: dict[str, str] = HER,
    language: str = "en",
    past: bool = False,
) -> PlainWords:
    records = {one.key: FlagRecord(one, Progress(), 1) for one in others} | {flag.key: FlagRecord(flag, progress, 1)}
    definitions = Definitions(ATTRIBUTES, segments or segment(IN_INDIA), {}, {})
    snapshot = snapshot_of(State(1, definitions, records), lambda _: None, empty_snapshot())
    evaluator: Evaluator = snapshot.evaluator
    context, _ = read_context(her, ATTRIBUTES)
    return plain_words(evaluator.flags[flag.key](context), records[flag.key], context, evaluator, language, past=past)


def check(case: Case, words: PlainWords, they_can: str | None = None) -> None:
    assert words == PlainWords("en", SENTENCES["en"][case].now, they_can)


def test_each_thing_that_may_be_so_has_its_sentence() -> None:
    excluded = replace(ON, excluded=(Exclusion("country", "IN", "upi-failures", STOP),))
    needy = replace(PAYMENTS, requires=("wallet",))
    check(Case.HAS, said())
    check(Case.OFF_FOR_ALL, said(progress=replace(ON, killed=STOP)))
    check(Case.CLOSED, said(replace(PAYMENTS, enabled=False)))
    check(Case.NEEDS_ANOTHER, said(needy, ON, None, Flag("wallet", "d", "o")))
    check(Case.PAUSED, said(progress=excluded))
    check(Case.NOT_YET, said(progress=FEW))
    check(Case.NOT_YET, said(progress=Progress()))
    check(Case.NOT_FOR_THEM, said(her={**HER, "country": "GB"}))
    check(Case.NOT_FOR_THEM, said(replace(PAYMENTS, rules=(Rule(Match((IN_INDIA,)), "off"),))))
    check(Case.UNRECOGNISED, said(progress=FEW, her={"country": "IN"}), "sign in")


def test_an_update_is_named_where_it_is_certain_to_help() -> None:
    newer = segment(IN_INDIA, at_least("2.18.9"))
    check(Case.UPDATE, said(segments=newer), "update the app")
    check(Case.NOT_FOR_THEM, said(segments=newer, her={**HER, "country": "GB"}))
    check(Case.NOT_FOR_THEM, said(progress=FEW, segments=newer))
    check(Case.OFF_FOR_ALL, said(progress=replace(ON, killed=STOP), segments=newer))
    excluded = replace(ON, excluded=(Exclusion("app_version", "2.17.0", "crashes", STOP),))
    check(Case.UPDATE, said(progress=excluded), "update the app")


def test_nothing_is_promised_that_an_update_may_not_bring() -> None:
    below = AttributeCondition("app_version", (Compare(((">=", "2.18.9"), ("<", "3"))),))
    check(Case.NOT_FOR_THEM, said(segments=segment(below)))
    check(Case.NOT_FOR_THEM, said(segments=segment(at_least("12", "os_version"))))
    unknown = {name: value for name, value in HER.items() if name != "app_version"}
    check(Case.NOT_FOR_THEM, said(segments=segment(at_least("2.18.9")), her=unknown))


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("hi", "hi"), ("nl-BE", "nl"), ("HI_IN", "hi"), ("en", "en"), ("fr", "en"), ("", "en"), ("хи", "en"), ("-", "en")],
)
def test_in_an_unknown_language_it_is_said_in_english(asked: str, spoken: str) -> None:
    assert said(language=asked) == PlainWords(spoken, SENTENCES[spoken][Case.HAS].now, None)


def test_of_a_past_moment_it_is_said_what_was_so_and_not_what_to_do() -> None:
    words = said(segments=segment(at_least("2.18.9")), past=True)
    assert words == PlainWords("en", "At that time this feature needed a newer version of the app than yours.", None)


def sentences() -> Iterator[tuple[str, Case, str]]:
    for language, cases in SENTENCES.items():
        for case, sentence in cases.items():
            yield language, case, sentence.now
            yield language, case, sentence.then


def test_every_language_has_every_sentence_and_no_two_are_alike() -> None:
    assert set(SENTENCES) == {"en", "hi", "nl"}
    assert all(set(cases) == set(Case) for cases in SENTENCES.values())
    assert len({text for _, _, text in sentences()}) == len(list(sentences())) == 3 * 2 * len(Case)


@pytest.mark.parametrize(("language", "case", "text"), list(sentences()))
def test_no_sentence_says_what_is_nobodys_business(language: str, case: Case, text: str) -> None:
    assert not any(letter.isdigit() or letter in "%{}<>`_" for letter in text), case
    assert not any(word in text.lower() for word in WORDS_OF_OURS)
    assert text[-1] == ("।" if language == "hi" else ".")
    assert text[:-1].count(text[-1]) == 0  # one sentence


def test_hindi_is_written_in_its_own_letters() -> None:
    for language, case, text in sentences():
        letters = [letter for letter in text if letter.isalpha()]
        assert all(("DEVANAGARI" in unicodedata.name(one)) == (language == "hi") for one in letters), case
