"""Pulling what is live into the file: which stages it writes or takes out, and that it touches nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from textwrap import dedent, indent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yaml_corpus import CORPUS, read

from rollout.core.changes import enter, load_flag, served, set_share
from rollout.core.errors import InvalidInput, RolloutError
from rollout.core.plans import Exposure
from rollout.core.progress import FlagRecord, Progress, Stop
from rollout.core.shares import EVERYBODY, Share
from rollout.yaml_files.nodes import ListNode, MapNode, Node, parse
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.pull import AddStage, DropStages, Pull, pulled, pulls, splice
from rollout.yaml_files.source import Source

FOUNDING = (CORPUS / "good" / "founding.yaml").read_text(encoding="utf-8")
STOP = Stop("amit", datetime(2026, 11, 23, 3, 0, tzinfo=UTC), "looks wrong")

HEAD = """\
version: 1
segments:
  employees: { description: Staff 🎉 और लोग, match: { user_id: [u-1] } }
  testers:   { description: 'Those who asked', match: { user_id: [u-2] } }
  india:     { description: In India, match: { user_id: [u-3] } }
guards:
  failures: { metric: transfer, max: 2% }
plans:
  careful: { stages: [1%, 10%, 100%] }
flags:
  payments:
    description: पैसे भेजें 💸   # भुगतान
    owner: "oncall@example.com"
    enabled: true
    rollout:
      audience: india
      bake: 7d
"""
TAIL = """
  other: { description: Other, owner: x, enabled: true, rollout: { stages: [ 1%,2% , 100% ] } }   # ends here
"""


def with_stages(stages: str) -> str:
    """A flags file in which `payments` has these stages, written as they stand here but for the indentation."""
    return f"{HEAD}{indent(dedent(stages).strip(), '      ')}{TAIL}"


def live(stages: str, share: str) -> Exposure:
    """This share of the audience, and the whole of every other segment that the stages speak of."""
    others = {name: EVERYBODY for name in ("employees", "testers") if name in stages}
    return {**others, "india": Share.parse(share)}


def payments(text: str, exposure: Exposure, *, held: bool) -> list[Pull]:
    return pulls(read(text), {"payments": exposure}, {"payments"} if held else set())


def check(before: str, share: str, after: str, *, held: bool) -> None:
    """Pulling makes these stages of those and changes no other character, whatever ends the lines."""
    for line_end in ("\n", "\r\n", "\r"):
        text, wanted = (with_stages(stages).replace("\n", line_end) for stages in (before, after))
        exposure = live(before, share)
        new = pulled(read(text), payments(text, exposure, held=held)).text
        assert new == wanted
        assert_nobody_notices(text, new, exposure)
        assert payments(new, exposure, held=held) == []


def assert_nobody_notices(text: str, new: str, exposure: Exposure) -> None:
    before, after = (read(one).definitions.flags["payments"] for one in (text, new))
    progress = Progress(exposure, halted=STOP)
    assert load_flag(FlagRecord(before, progress, 1), after) == progress


@pytest.mark.parametrize(
    ("before", "share", "after"),
    [
        ("stages: [1%, 5%]", "3%", "stages: [1%, 3%, 5%]"),
        ("stages: [1%,5%]", "3%", "stages: [1%,3%,5%]"),
        ("stages: [ 1% ,  5% ,  9% ]", "3%", "stages: [ 1% ,  3% ,  5% ,  9% ]"),
        ("stages: [1%]", "3%", "stages: [1%, 3%]"),
        ("stages: [1%, 5%,]", "7%", "stages: [1%, 5%, 7%,]"),
        ("stages: [1%, 5% , ]  # x", "7%", "stages: [1%, 5%, 7% , ]  # x"),
        ("stages: [5%, 9%]", "0.0001%", "stages: [0.0001%, 5%, 9%]"),
        ("stages: [5%]", "3%", "stages: [3%, 5%]"),
        ("stages: [employees, 1%, testers, 5%]", "3%", "stages: [employees, 1%, testers, 3%, 5%]"),
        ("stages: [employees, 1%, 5%, testers]", "7%", "stages: [employees, 1%, 5%, testers, 7%]"),
        ("stages: ['1%', \"5%\"]", "3%", "stages: ['1%', 3%, \"5%\"]"),
        ("stages: [1%, india]", "3%", "stages: [1%, 3%, india]"),
        (
            "stages: [1%, { percentage: 50%, approval: true }]  # आराम से",
            "3%",
            "stages: [1%, 3%, { percentage: 50%, approval: true }]  # आराम से",
        ),
        ("stages: [percentage: 1% , percentage: 5%]", "3%", "stages: [percentage: 1% , 3% , percentage: 5%]"),
        ('"stages" : [1%, 5%]', "3%", '"stages" : [1%, 3%, 5%]'),
        ("stages:\n  [1%, 5%]", "3%", "stages:\n  [1%, 3%, 5%]"),
        ("stages: [1%,\n  5%,\n  9%]", "3%", "stages: [1%, 3%,\n  5%,\n  9%]"),
        ("stages: [1%,  # one\n  5%]", "3%", "stages: [1%,  # one\n         3%,\n  5%]"),
        ("stages: [\n  1%\n  , 5%\n]", "3%", "stages: [\n  1%, 3%\n  , 5%\n]"),
        ("stages: [\n  1%  # one, [\n  ,\n  5%\n]", "3%", "stages: [\n  1%, 3%  # one, [\n  ,\n  5%\n]"),
        (
            """
            stages: [   # in order
              employees,
              1%,   # आधा 🎉, not more ]
              # the regulator is asked before this
              5%
            ]
            """,
            "3%",
            """
            stages: [   # in order
              employees,
              1%,   # आधा 🎉, not more ]
              3%,
              # the regulator is asked before this
              5%
            ]
            """,
        ),
        (
            """
            stages: [
              1%,
              5%   # the last
              # so far
            ]
            """,
            "7%",
            """
            stages: [
              1%,
              5%,   # the last
              7%
              # so far
            ]
            """,
        ),
        (
            """
            stages: [
              1%,
              5%,   # the last
            ]
            """,
            "7%",
            """
            stages: [
              1%,
              5%,   # the last
              7%,
            ]
            """,
        ),
        ("stages: [\n  5%,\n  9%]", "3%", "stages: [\n  3%,\n  5%,\n  9%]"),
    ],
)
def test_a_share_that_is_held_becomes_a_stage_of_a_list_in_brackets(before: str, share: str, after: str) -> None:
    check(before, share, after, held=True)


@pytest.mark.parametrize(
    ("before", "share", "after"),
    [
        ("stages:\n  - 1%\n  - 5%", "3%", "stages:\n  - 1%\n  - 3%\n  - 5%"),
        ("stages:\n- 1%\n- 5%", "3%", "stages:\n- 1%\n- 3%\n- 5%"),
        ("stages:\n  - 1%\n  - 5%", "7%", "stages:\n  - 1%\n  - 5%\n  - 7%"),
        ("stages:\n  -   5%\n  -   9%", "3%", "stages:\n  -   3%\n  -   5%\n  -   9%"),
        ("stages:\n  -   '1%'\n  - \"5%\"", "3%", "stages:\n  -   '1%'\n  -   3%\n  - \"5%\""),
        ("stages:\n  -\n    1%\n  - 5%", "3%", "stages:\n  -\n    1%\n  - 3%\n  - 5%"),
        ("stages:\n  - # one\n    1%\n  - 5%", "3%", "stages:\n  - # one\n    1%\n  - 3%\n  - 5%"),
        ("stages:\n  - |\n    1%\n\n  - 5%", "3%", "stages:\n  - |\n    1%\n  - 3%\n\n  - 5%"),
        ("? stages\n: - 1%\n  - 5%", "0.5%", "? stages\n: - 0.5%\n  - 1%\n  - 5%"),
        ("? stages\n: - 1%\n  - 5%", "3%", "? stages\n: - 1%\n  - 3%\n  - 5%"),
        (
            """
            stages:   # in order

              # staff first
              - employees   # से
              - { name: first-million, percentage: 1% }   # 🎉 - { }

              # the regulator is asked before this
              - name: more
                percentage: 5%   # five
                guards:
                  - failures

              # and then all of them
              - 100%
            """,
            "3%",
            """
            stages:   # in order

              # staff first
              - employees   # से
              - { name: first-million, percentage: 1% }   # 🎉 - { }
              - 3%

              # the regulator is asked before this
              - name: more
                percentage: 5%   # five
                guards:
                  - failures

              # and then all of them
              - 100%
            """,
        ),
        (
            """
            stages:
              - name: more
                percentage: 5%
                guards:
                  - failures   # watching
              # the end
            """,
            "7%",
            """
            stages:
              - name: more
                percentage: 5%
                guards:
                  - failures   # watching
              - 7%
              # the end
            """,
        ),
    ],
)
def test_a_share_that_is_held_becomes_a_stage_of_a_list_with_dashes(before: str, share: str, after: str) -> None:
    check(before, share, after, held=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stages: [1%, 100%]", "stages: [100%]"),
        ("stages: [employees, 1%, 5%, 100%]", "stages: [employees, 100%]"),
        ("stages: [1%, employees, 5%, 100%, testers]", "stages: [employees, 100%, testers]"),
        ("stages: [1%,5%,100%]", "stages: [100%]"),
        ("stages: [ 1% , 5% , 100% , ]  # all", "stages: [ 100% , ]  # all"),
        ("stages: ['1%', \"100%\"]", 'stages: ["100%"]'),
        ("stages: [1%, india]", "stages: [india]"),
        ("stages: [{ percentage: 50%, approval: true }, 100%]", "stages: [100%]"),
        ("stages: [1%, { percentage: 100%, approval: true }]", "stages: [{ percentage: 100%, approval: true }]"),
        ("stages: [percentage: 50% , percentage: 100%]", "stages: [percentage: 100%]"),
        ("stages: [{ percentage: 50%,\n  approval: true }, 100%]", "stages: [100%]"),
        ("stages: [employees, 1%,\n  5%, 100%]", "stages: [employees,\n  100%]"),
        ("stages: [1%,  # one\n  5%, # five\n  100%]", "stages: [  # one\n  # five\n  100%]"),
        ("stages: [employees, 1%,  # one\n  100%]", "stages: [employees,  # one\n  100%]"),
        ("stages: [\n  1%\n  , 5%  # five, or so\n  , 100%\n]", "stages: [\n  # five, or so\n  100%\n]"),
        (
            """
            stages: [
              employees,
              1%,   # आधा 🎉, not more ]

              # the regulator was asked before this
              5%, 10%,
              100%,
            ]
            """,
            """
            stages: [
              employees,
              # आधा 🎉, not more ]

              # the regulator was asked before this
              100%,
            ]
            """,
        ),
        ("stages:\n  - 1%\n  - 100%", "stages:\n  - 100%"),
        ("stages:\n- 1%\n- employees\n- 5%\n- 100%", "stages:\n- employees\n- 100%"),
        ("stages:\n  - # one\n    1%\n  -\n    5%\n  - 100%", "stages:\n  - 100%"),
        ("stages:\n  - >-\n    1%\n\n  - 100%", "stages:\n\n  - 100%"),
        ("? stages\n: - 1%\n  - 100%", "? stages\n:\n  - 100%"),
        (
            """
            stages:   # in order

              # staff first
              - employees   # से
              - { name: first-million, percentage: 1% }   # 🎉 - { }

              # the regulator was asked before this
              - name: more
                percentage: 5%
                approval: true   # in writing
              - '50%'

              # and then all of them
              - 100%   # at last
            """,
            """
            stages:   # in order

              # staff first
              - employees   # से
              # 🎉 - { }

              # the regulator was asked before this
              # in writing

              # and then all of them
              - 100%   # at last
            """,
        ),
    ],
)
def test_a_finished_rollout_keeps_its_last_stage_and_those_of_other_audiences(before: str, after: str) -> None:
    check(before, "100%", after, held=False)


def test_both_at_once_in_the_founding_file() -> None:
    text = FOUNDING.replace("    enabled: false\n    locked: true ", "    enabled: true\n    locked: true ")
    exposures = {
        "payments": {"employees": EVERYBODY, "india": Share.parse("12.5%")},
        "merchant-payments": {"employees": EVERYBODY, "india": EVERYBODY},
        "business-app": {"everyone": EVERYBODY},
        "not-in-the-file": {"everyone": EVERYBODY},
    }
    found = pulls(read(text), exposures, {"payments"})
    assert [(pull.flag, pull.change) for pull in found] == [
        ("payments", AddStage(4 - 1, Share.parse("12.5%"))),
        ("merchant-payments", DropStages((1, 2))),
    ]
    assert pulled(read(text), found).text == text.replace("- 25%", "- 12.5%\n        - 25%").replace(
        "[employees, 1%, 10%, 100%]", "[employees, 100%]"
    )


@pytest.mark.parametrize(
    ("stages", "share", "held", "said"),
    [
        ("stages: [1%, 5%]", "3%", True, "3% of india is live, held between 1% and 5%: 3% becomes a stage"),
        ("stages: [2%]", "1%", True, "1% of india is live, held before the first stage, 2%: 1% becomes a stage"),
        ("stages: [1%, 5%]", "7%", False, "7% of india is live, beyond the last stage, 5%: 7% becomes a stage"),
        (
            "stages: [employees, 1%, { name: half, percentage: 50% }, 100%]",
            "100%",
            False,
            "finished, 100% of india is live: of its stages 1%, half can go, and employees, 100% stays",
        ),
        (
            "stages: [1%, 100%]",
            "100%",
            True,
            "at the end of its stages, but halted; cannot be pulled: `rollout resume payments` first",
        ),
        (
            "plan: careful",
            "3%",
            True,
            "3% of india is live, held between 1% and 10%; cannot be pulled: stages come from plan careful",
        ),
        (
            "stages: [1%, { audience: testers, percentage: 3% }, 5%]",
            "3%",
            True,
            "3% of india is live, held between 1% and 5%; cannot be pulled: another audience has a stage 3%, "
            "give that one a name",
        ),
        (
            "stages: [{ audience: testers, percentage: 10% }, 1%, 5%]",
            "3%",
            True,
            "cannot be pulled: testers has more than the plan gives, and would lose it",
        ),
        (
            "stages: [{ audience: testers, percentage: 10% }, 1%, 100%]",
            "100%",
            False,
            "cannot be pulled: testers has more than the plan gives, and would lose it",
        ),
    ],
)
def test_every_pull_says_what_is_live_and_what_becomes_of_the_stages(
    stages: str, share: str, held: bool, said: str
) -> None:
    text = with_stages(stages)
    found = payments(text, live(stages, share), held=held)
    assert [pull.said for pull in found] == [said]
    assert (found[0].change is None) == ("cannot be pulled" in said)
    assert (pulled(read(text), found).text == text) == (found[0].change is None)


@pytest.mark.parametrize(
    ("stages", "share", "held"),
    [
        ("stages: [1%, 5%]", "1%", True),
        ("stages: [1%, 5%]", "5%", False),
        ("stages: [1%, 5%]", "3%", False),  # on its way through a plan that was edited
        ("stages: [1%, 5%]", "0%", True),
        ("stages: [1%, 50%]", "50%", False),  # done, but not at 100%
        ("stages: [100%]", "100%", False),
        ("stages: [employees, india, testers]", "100%", False),
        ("stages: [employees, testers]", "3%", True),
        ("plan: careful", "100%", False),  # others may need its stages
    ],
)
def test_a_rollout_that_stands_where_its_file_says_has_nothing_to_pull(stages: str, share: str, held: bool) -> None:
    assert payments(with_stages(stages), live(stages, share), held=held) == []


def test_a_stage_of_another_audience_that_is_not_reached_keeps_a_rollout_unfinished() -> None:
    text = with_stages("stages: [1%, 100%, testers]")
    assert payments(text, {"india": EVERYBODY}, held=False) == []


def test_a_flag_that_is_disabled_or_has_no_rollout_has_nothing_to_pull() -> None:
    text = with_stages("stages: [1%, 5%]")
    off = text.replace("enabled: true\n    rollout:", "enabled: false\n    rollout:")
    assert payments(off, {"india": Share.parse("3%")}, held=True) == []
    assert pulls(read(FOUNDING), {"business-app": {"everyone": Share.parse("3%")}}, {"business-app"}) == []
    assert payments(text, {}, held=True) == []


def test_a_stage_that_brought_a_guard_stays_so_that_the_guard_goes_on_watching() -> None:
    guarded = "{ percentage: 5%, guards: [failures] }"
    check(f"stages: [1%, {guarded}, 100%]", "100%", f"stages: [{guarded}, 100%]", held=False)
    check(
        f"guards: [failures]\nstages: [1%, {guarded}, 100%]",
        "100%",
        "guards: [failures]\nstages: [100%]",
        held=False,
    )
    last = "{ percentage: 100%, guards: [failures] }"
    check(f"stages: [{guarded}, {last}]", "100%", f"stages: [{last}]", held=False)


def test_all_of_an_audience_set_beyond_the_plan_is_a_stage_first_and_finished_then() -> None:
    text = with_stages("stages: [employees, 1%]")
    everyone = live("employees", "100%")
    once = pulled(read(text), payments(text, everyone, held=False)).text
    assert once == with_stages("stages: [employees, 1%, 100%]")
    assert pulled(read(once), payments(once, everyone, held=False)).text == with_stages("stages: [employees, 100%]")


def test_a_list_in_a_json_file_is_edited_alike() -> None:
    text = (
        '{"version": 1, "flags": {"payments": {"description": "P", "owner": "o", "enabled": true,\n'
        '  "rollout": {"stages":["1%","5%"]}}}}'
    )
    new = pulled(read(text), payments(text, {"everyone": Share.parse("3%")}, held=True)).text
    assert new == text.replace('["1%","5%"]', '["1%",3%,"5%"]')


def test_member_lists_are_not_read_again() -> None:
    file = read(FOUNDING)
    found = [Pull("payments", "", AddStage(2, Share.parse("2%")))]
    assert pulled(file, found).members == file.members


def test_stages_that_do_not_fit_are_never_written() -> None:
    file = read(with_stages("stages: [1%, 5%]"))
    with pytest.raises(RolloutError, match=r"nothing was written: .* admits less than '9%'"):
        pulled(file, [Pull("payments", "", AddStage(1, Share.parse("9%")))])
    with pytest.raises(InvalidInput, match="absent has no stages in this text"):
        splice(file.text, [Pull("absent", "", DropStages((0,)))])


SHARES = st.sampled_from(["0.5%", "1%", "2.5%", "5%", "10%", "33.333%", "50%", "99.9999%", "100%"])
AUDIENCES = ("employees", "testers", "india")


@st.composite
def entries(draw: st.DrawFn) -> list[tuple[str, ...]]:
    """Stages as they are written: each on one line, or on several with dashes."""
    written: list[tuple[str, ...]] = []
    reached = dict.fromkeys(AUDIENCES, Share.parse("0%"))
    ended = [("india", EVERYBODY)] if draw(st.booleans()) else []
    drawn = st.tuples(st.sampled_from(("india", "india", *AUDIENCES)), SHARES.map(Share.parse))
    for number, (audience, share) in enumerate([*draw(st.lists(drawn, max_size=6)), *ended]):
        if share <= reached[audience]:
            continue
        reached[audience] = share
        named = f"{{ name: s{number}, percentage: {share}, audience: {audience} }}"
        lines = (f"name: s{number}", f"percentage: {share}", f"audience: {audience}")
        forms = [(named,), ("{" + ",".join(lines).replace(":", ": ") + "}",), lines]
        if audience == "india":
            approved = f"{{ percentage: {share}, approval: true, guards: [failures] }}"
            forms += [(str(share),), (f"'{share}'",), (f'"{share}"',), (approved,), (f"{{ percentage: {share} }}",)]
        elif share == EVERYBODY:
            forms += [(audience,), (f'"{audience}"',)]
        written.append(draw(st.sampled_from(forms)))
    return written or [("1%",)]


@st.composite
def lists(draw: st.DrawFn) -> str:
    """`stages:` in some layout, with comments and empty lines."""
    comments = st.sampled_from(["", "", "", "  # से 🎉, [x] - {y}", " #"])
    before = st.sampled_from(["", "", "", "\n", "# बीच में - 5%, \n", "\n   # x\n\n"])
    written = draw(entries())
    if draw(st.booleans()):
        pad, lead = draw(st.sampled_from(["", "  ", "    "])), draw(st.sampled_from(["- ", "-   "]))
        parts = [f"stages:{draw(comments)}\n"]
        for lines in written:
            parts.append(indent(draw(before), pad))
            parts.append(f"{pad}{lead}{(chr(10) + pad + ' ' * len(lead)).join(lines)}{draw(comments)}\n")
        return "".join(parts)
    words = [lines[0] if len(lines) == 1 else f"{{ {', '.join(lines)} }}" for lines in written]
    comma, last = draw(st.sampled_from([", ", ",", " , "])), draw(st.sampled_from(["", ",", " , "]))
    if draw(st.booleans()):
        return f"stages: [{comma.join(words)}{last}]{draw(comments)}\n"
    parts = [f"stages: [{draw(comments)}\n"]
    for word in words:
        comment = draw(comments)
        ended = f"{word}{last.rstrip() if word is words[-1] else ','}{comment}"
        parts.append(f"{indent(draw(before), '  ')}  {ended}{draw(st.just(chr(10))) if comment else draw(SEPARATORS)}")
    return "".join(parts).rstrip(" ") + "\n  ]\n"


SEPARATORS = st.sampled_from(["\n", "\n", " "])


@st.composite
def histories(draw: st.DrawFn, text: str) -> Progress:
    """Where a rollout came to: by itself, and by what people did."""
    record = FlagRecord(read(text).definitions.flags["payments"], Progress(), 1)
    stages = record.flag.stages
    for index in range(draw(st.integers(0, len(stages)) | st.just(len(stages)))):
        record = FlagRecord(record.flag, enter(record, index), 1)
    audiences = sorted({stage.audience for stage in stages})
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        audience = draw(st.sampled_from(["india", *audiences] if "india" in audiences else audiences))
        share = Share.parse(draw(SHARES | st.integers(1, 99_999_999).map(lambda part: f"{part / 10**6:f}%")))
        record = FlagRecord(record.flag, set_share(record, audience, share, STOP, beyond_plan=True), 1)
    return Progress(record.progress.exposure, draw(st.sampled_from([None, STOP])))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), lists(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_pulling_changes_the_list_alone_and_nobody_gains_or_loses(data: st.DataObject, stages: str, end: str) -> None:
    text = (HEAD + indent(stages, " " * 6).rstrip("\r\n") + TAIL).replace("\n", end)
    progress = data.draw(histories(text))
    record = FlagRecord(read(text).definitions.flags["payments"], progress, 1)
    held = {"payments"} if progress.halted else set()
    found = pulls(read(text), {"payments": served(record)}, held)
    new = pulled(read(text), found)

    assert comments(new.text) == comments(text)
    assert outside(new.text) == outside(text)
    assert entries_of(new.text) == expected(entries_of(text), found)
    assert load_flag(record, new.definitions.flags["payments"]) == progress
    again = [pull.change for pull in pulls(new, {"payments": served(record)}, held) if pull.change]
    assert not again or (not held and progress.exposure["india"] == EVERYBODY)
    assert all(isinstance(change, DropStages) for change in again)


def comments(text: str) -> list[str]:
    return re.findall(r"#[^\r\n]*", text)


def outside(text: str) -> tuple[str, str]:
    """What stands before the stages, and after them."""
    return text[: text.index("      stages:")], text[text.index("  other:") :]


def entries_of(text: str) -> list[str]:
    return [text[item.start : item.end].strip() for item in stages_of(text).items]


def expected(written: list[str], found: list[Pull]) -> list[str]:
    for pull in found:
        if isinstance(pull.change, AddStage):
            written = [*written[: pull.change.index], str(pull.change.share), *written[pull.change.index :]]
        elif isinstance(pull.change, DropStages):
            written = [one for index, one in enumerate(written) if index not in pull.change.indices]
    return written


def stages_of(text: str) -> ListNode:
    source = Source("flags.yaml", text)
    node: Node | None = parse(source, Notes(source))
    for key in ("flags", "payments", "rollout", "stages"):
        assert isinstance(node, MapNode)
        node = node.value(key)
    assert isinstance(node, ListNode)
    return node
