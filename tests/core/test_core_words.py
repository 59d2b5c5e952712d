"""What people write: shares, lengths of time, versions. Exact inside, and what is refused says what would be right."""

from __future__ import annotations

import itertools
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.durations import format_duration, parse_duration
from rollout.core.errors import InvalidInput
from rollout.core.shares import EVERYBODY, HASHES, NOBODY, Share
from rollout.core.versions import version_key
from tests.core.promises import promise

written_shares = st.integers(0, 100 * 10**8).map(lambda parts: Share(Fraction(parts, 10**8)))


def check_share(text: str, percent: str, shortest: str) -> None:
    share = Share.parse(text)
    assert share.percent == Fraction(percent)
    assert str(share) == shortest


def test_a_share_is_read_exactly_and_written_as_short_as_it_can_be() -> None:
    check_share("1%", "1", "1%")
    check_share("01%", "1", "1%")
    check_share("0.5%", "0.5", "0.5%")
    check_share("0.50%", "0.5", "0.5%")
    check_share(" 5% ", "5", "5%")
    check_share("0%", "0", "0%")
    check_share("000%", "0", "0%")
    check_share("100%", "100", "100%")
    check_share("100.00000000%", "100", "100%")
    check_share("33.333%", "33.333", "33.333%")
    check_share("0.0001%", "0.0001", "0.0001%")
    check_share("0.00000001%", "0.00000001", "0.00000001%")
    check_share("99.99999999%", "99.99999999", "99.99999999%")


def check_refused_share(given: object, hint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Share.parse(given)  # type: ignore[arg-type]
    assert "percent" in refused.value.message or "100%" in refused.value.message
    assert refused.value.hint == hint


def test_what_is_not_a_share_is_refused_with_what_would_be_right() -> None:
    unit, within = "write it with its unit, such as 1% or 0.5%", "write a percentage from 0% to 100%"
    check_refused_share("5", "write 5%")
    check_refused_share(5, "write 5%")
    check_refused_share(0.5, "write 0.5%")
    check_refused_share("100", "write 100%")
    check_refused_share("101", within)
    check_refused_share("5 %", "write 5%")
    check_refused_share("0.5  %", "write 0.5%")
    check_refused_share("101%", within)
    check_refused_share("100.00000001%", within)
    check_refused_share("999.9%", within)
    check_refused_share("1000%", within)
    check_refused_share("-1%", within)
    check_refused_share(-1, within)
    check_refused_share("0.123456789%", "at most eight digits after the point")
    check_refused_share("", unit)
    check_refused_share("%", unit)
    check_refused_share(".5%", unit)
    check_refused_share("5.%", unit)
    check_refused_share("1,5%", unit)
    check_refused_share("1e2%", unit)
    check_refused_share("+5%", unit)
    check_refused_share("5%%", unit)
    check_refused_share("5% 5%", unit)
    check_refused_share("1/3%", unit)
    check_refused_share("1_0%", unit)
    check_refused_share("five", unit)
    check_refused_share("NaN%", unit)
    check_refused_share("nan", unit)
    check_refused_share("inf%", unit)
    check_refused_share("Infinity", unit)
    check_refused_share("5 percent", unit)
    check_refused_share("१%", unit)
    check_refused_share("٥", unit)
    check_refused_share("５%", unit)
    check_refused_share("5%\n5%", unit)
    check_refused_share(None, unit)
    check_refused_share(True, unit)
    check_refused_share([5], unit)


@promise()
@given(written_shares)
def test_a_share_reads_back_as_it_was_written(share: Share) -> None:
    assert Share.parse(str(share)) == share


@promise()
@given(written_shares)
def test_a_threshold_is_the_smallest_whole_number_not_below_the_share_of_all_hashes(share: Share) -> None:
    exact = share.percent * HASHES / 100
    assert exact <= share.threshold < exact + 1


@promise()
@given(written_shares, written_shares)
def test_a_larger_share_has_no_smaller_threshold(one: Share, other: Share) -> None:
    assert (one <= other) == (one.percent <= other.percent)
    if one <= other:
        assert one.threshold <= other.threshold


def test_the_thresholds_of_nobody_everybody_and_the_smallest_share() -> None:
    assert NOBODY.threshold == 0
    assert EVERYBODY.threshold == HASHES
    assert Share.parse("0.00000001%").threshold == 1
    assert Share.parse("50%").threshold == HASHES // 2


def check_duration(text: str, span: timedelta, written: str) -> None:
    assert parse_duration(text) == span
    assert format_duration(span) == written


def test_a_length_of_time_is_read_and_written_with_its_unit() -> None:
    check_duration("30s", timedelta(seconds=30), "30s")
    check_duration("10m", timedelta(minutes=10), "10m")
    check_duration("24h", timedelta(days=1), "1d")
    check_duration("7d", timedelta(days=7), "7d")
    check_duration("2w", timedelta(days=14), "14d")
    check_duration("1d12h", timedelta(hours=36), "1d12h")
    check_duration("1w1d1h1m1s", timedelta(days=8, hours=1, minutes=1, seconds=1), "8d1h1m1s")
    check_duration("90m", timedelta(minutes=90), "1h30m")
    check_duration(" 5m ", timedelta(minutes=5), "5m")
    check_duration("0s", timedelta(0), "0s")
    check_duration("999999w", timedelta(weeks=999_999), "6999993d")


def check_refused_duration(given: object, hint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_duration(given)  # type: ignore[arg-type]
    assert "is not a length of time" in refused.value.message
    assert refused.value.hint == hint


def test_what_is_not_a_length_of_time_is_refused_with_the_units() -> None:
    units = "write 30s, 10m, 24h or 7d"
    check_refused_duration("5", "write 5s, 5m, 5h or 5d")
    check_refused_duration(5, "write 5s, 5m, 5h or 5d")
    check_refused_duration("", units)
    check_refused_duration("   ", units)
    check_refused_duration("5 m", units)
    check_refused_duration("1.5h", units)
    check_refused_duration("-5m", units)
    check_refused_duration("12h1d", units)
    check_refused_duration("5M", units)
    check_refused_duration("5min", units)
    check_refused_duration("1y", units)
    check_refused_duration("5m5m", units)
    check_refused_duration("1000000w", units)
    check_refused_duration("١m", units)
    check_refused_duration("²", units)
    check_refused_duration("P1D", units)
    check_refused_duration("PT5M", units)
    check_refused_duration(None, units)
    check_refused_duration(1.5, units)


@promise()
@given(st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_length_of_time_reads_back_as_it_was_written(span: timedelta) -> None:
    assert parse_duration(format_duration(span)) == span


def check_order(*ascending: str) -> None:
    """Each is lower than all that come after it."""
    keys = [version_key(text) for text in ascending]
    for lower, higher in itertools.pairwise(keys):
        assert lower < higher
    assert keys == sorted(keys)


def check_equal(*versions: str) -> None:
    assert len({version_key(text) for text in versions}) == 1


def test_versions_compare_leniently() -> None:
    check_equal("8.2", "8.2.0", "8.2.0.0", "v8.2", "V8.2.0", "8.2+5", "8.2.0+build.7", "08.002", "8.2+")
    check_equal("8", "8.0", "8.0.0", "8.0.0.0")
    check_equal("8.2.0-beta.2", "v8.2-beta.2", "8.2.0.0-beta.02", "8.2-beta.2+x")


def test_versions_are_in_the_order_of_semantic_versioning() -> None:
    check_order("1.9", "1.10", "1.10.1", "2")
    check_order("2.18.8", "2.18.9", "2.18.10", "2.19")
    check_order("8.2.0-beta.2", "8.2.0-beta.10", "8.2.0", "8.2.0.1", "8.2.1")
    check_order(  # section 11 of Semantic Versioning 2.0.0
        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
        "1.0.0-rc.1", "1.0.0",
    )  # fmt: skip
    check_order("1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-A", "1.0.0-a")
    check_order("0.0.0.1", "0.0.1", "999999999.999999999.999999999.999999999")


def check_not_a_version(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a version") as refused:
        version_key(text)
    assert refused.value.hint == "write numbers with points between, such as 2.18.9"


def test_what_is_not_a_version_is_refused() -> None:
    for text in ("", "v", "x", "8.", ".8", "8..2", "1.2.3.4.5", "-1", "8.2 ", " 8.2", "8.2\n", "8.2-", "8,2", "vv8"):
        check_not_a_version(text)
    for text in ("८.२", "8.2-β", "8.2+β", "1" * 10, "8.2-" + "x" * 65, "8.2.0-beta_2", "latest", "8.2/9"):
        check_not_a_version(text)


versions = st.builds(
    lambda v, numbers, pre, build: v + ".".join(map(str, numbers)) + pre + build,
    st.sampled_from(("", "v", "V")),
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.sampled_from(("", "-a", "-a.1", "-a.02", "-a.b", "-1", "-01", "-rc.1", "-RC.1", "--", "-.", "-0a")),
    st.sampled_from(("", "+", "+7", "+a.b")),
)


@promise(500)
@given(versions, versions, versions)
def test_versions_have_one_order(one: str, other: str, third: str) -> None:
    a, b, c = version_key(one), version_key(other), version_key(third)
    assert (a < b) + (a == b) + (a > b) == 1
    if a <= b <= c:
        assert a <= c
    if a == b:
        assert hash(a) == hash(b)


@promise(200)
@given(versions)
def test_a_pre_release_is_lower_than_its_release(version: str) -> None:
    release = version.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0]
    assert (version_key(version) < version_key(release)) == ("-" in version)
