"""What a program sees of the client: answers whatever it asks, and help for its own tests."""

from __future__ import annotations

import asyncio
import enum
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollout.client import Rollout
from rollout.core.errors import InvalidFile
from tests.web.webkit import EMPLOYEES, FLAGS

pytest_plugins = ["pytester"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flags.yaml").write_text(FLAGS)
    (tmp_path / "employees.txt").write_text(EMPLOYEES)
    return tmp_path


@pytest.fixture
def flags(folder: Path) -> Rollout:
    return Rollout.from_file(folder / "flags.yaml")


def test_a_file_is_answered_from_as_a_new_service_would(flags: Rollout) -> None:
    assert flags.is_on("payments", user_id="u-1"), "employees are the first stage"
    assert not flags.is_on("payments", user_id="u-9", country="IN")
    assert not flags.is_on("merchant-payments", user_id="u-1"), "it is not enabled"
    assert flags.is_on("everybody")
    assert (flags.ready(), flags.stale, flags.revision) == (True, False, 1)
    assert flags.outcome("x", flag="payments", ok=True) is None
    flags.close()


def test_a_file_with_errors_says_all_of_them(folder: Path) -> None:
    (folder / "flags.yaml").write_text(FLAGS.replace("owner: web@example.com", "ower: web@example.com"))
    with pytest.raises(InvalidFile) as invalid:
        Rollout.from_file(folder / "flags.yaml")
    assert len(invalid.value.problems) > 1


class Unhelpful:
    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        raise ZeroDivisionError

    def __repr__(self) -> str:
        raise ZeroDivisionError


ODD = ([], {}, object(), Unhelpful(), b"x", float("nan"), 10**5000, "\ud800", "\0", 1j, print)


@pytest.mark.parametrize("name", ["user_id", "country", "app_version", "age", "beta", "since", "undeclared"])
def test_nothing_that_is_asked_raises(flags: Rollout, name: str) -> None:
    for odd in ODD:
        for key in ("payments", "per-account", "beta-people", "nope"):
            assert flags.is_on(key, **{name: odd}) == flags.details(key, **{name: odd}).on
            flags.value(key, 1, **{name: odd})
            flags.explain(key, **{name: odd})


def test_what_is_no_flag_is_off(flags: Rollout) -> None:
    for odd in (*ODD, None, 1, ""):
        assert not flags.is_on(odd)  # type: ignore[arg-type]
        assert flags.details(odd).error_code  # type: ignore[arg-type]


def test_attributes_may_be_called_anything(flags: Rollout) -> None:
    assert flags.is_on("everybody", key="k", self="s", default="d", flags="f", attributes="a")


def test_other_kinds_of_text_and_dates_are_read_as_what_they_stand_for(flags: Rollout) -> None:
    class Country(enum.StrEnum):
        BRITAIN = "GB"

    class OldCountry(str, enum.Enum):  # noqa: UP042
        BRITAIN = "GB"

    for country in ("GB", Country.BRITAIN, OldCountry.BRITAIN):
        assert flags.variant("theme", country=country) == "dark"
    assert flags.details("everybody", since=datetime(2026, 1, 1, tzinfo=UTC)).error_code is None


def test_a_value_is_the_callers_own(flags: Rollout) -> None:
    flags.value("theme", country="GB")["zoom"] = "changed"
    assert flags.value("theme", country="GB") == {"background": "#000", "zoom": 2.0}


def test_why_is_told_step_by_step(flags: Rollout) -> None:
    explanation = flags.explain("payments", user_id="u-9", country="GB")
    assert explanation.because == "they are not in employees"
    assert [step.text for step in explanation.steps][:2] == ["not killed", "enabled in the file"]
    assert "no flag called" in flags.explain("nope").because
    assert "not a boolean" in flags.explain("beta-people", beta="perhaps").because


def test_a_test_says_what_flags_are(flags: Rollout) -> None:
    with flags.override(payments=True, everybody=False, merchant_payments=True):
        assert flags.is_on("payments")
        assert not flags.is_on("everybody")
        assert flags.is_on("merchant-payments")
        with flags.override({"merchant-payments": False}):
            assert not flags.is_on("merchant-payments")
            assert flags.is_on("payments")
        assert flags.is_on("merchant-payments")
        assert flags.details("payments").because == "overridden"
    assert not flags.is_on("payments")
    assert flags.is_on("everybody")


def test_an_override_is_a_variant_its_value_or_any_other_value(flags: Rollout) -> None:
    def overridden(**named: Any) -> tuple[bool, str | None, Any]:
        with flags.override(named):
            [key] = named
            details = flags.details(key.replace("_", "-"), "mine")
            return details.on, details.variant, details.value

    dark = {"background": "#000", "zoom": 2.0}
    assert overridden(theme="dark") == (True, "dark", dark)
    assert overridden(theme={"zoom": 1.5}) == (True, "wide", {"zoom": 1.5})
    assert overridden(theme=True) == (True, "dark", dark)
    assert overridden(theme=False) == (False, None, "mine")
    assert overridden(theme={"new": 1}) == (True, None, {"new": 1})
    with flags.override({"per-account": False, "not-there-yet": "x"}):
        assert flags.variant("per-account") == "small"
        assert flags.value("not-there-yet") == "x"


def test_coroutines_ask_like_anybody_else(flags: Rollout) -> None:
    async def many() -> list[bool]:
        async def one(number: int) -> bool:
            await asyncio.sleep(0)
            return flags.is_on("payments", user_id=f"u-{number}")

        return await asyncio.gather(*(one(number) for number in range(100)))

    assert [number for number, on in enumerate(asyncio.run(many())) if on] == [1, 2]


def test_pytest_gives_tests_a_client_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", flags=FLAGS)
    pytester.makefile(".txt", employees=EMPLOYEES)
    pytester.makeconftest('pytest_plugins = ["rollout.client.testing"]')
    pytester.makepyfile("""
        def test_paying(rollout_flags):
            assert not rollout_flags.is_on("payments", user_id="u-9")
            with rollout_flags.override(payments=True):
                assert rollout_flags.is_on("payments", user_id="u-9")
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
