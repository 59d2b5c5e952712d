"""Chains of things that need each other."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rollout.yaml_files.chains import MOST_TOLD, cycles, too_long

NAMES = st.integers(0, 7).map(str)
LINKS = st.dictionaries(NAMES, st.lists(NAMES, max_size=3), max_size=8)


@given(LINKS)
def test_a_cycle_is_found_exactly_where_there_is_one(links: dict[str, list[str]]) -> None:
    assert bool(cycles(links)) is any(comes_back(name, links) for name in links)


@given(LINKS)
def test_what_is_told_as_a_cycle_is_one(links: dict[str, list[str]]) -> None:
    for cycle in cycles(links):
        assert cycle[0] == cycle[-1]
        assert all(after in links[before] for before, after in pairwise(cycle))


def comes_back(start: str, links: dict[str, list[str]]) -> bool:
    reached: set[str] = set()
    todo = list(links[start])
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += links.get(name, [])
    return start in reached


def test_the_first_name_whose_chain_is_too_long_is_told_and_no_other() -> None:
    chain = {str(number): [str(number + 1)] for number in range(30)} | {"30": []}
    assert too_long(chain) == ["19"]  # 19 needs 20 needs ... 30: eleven links
    assert too_long({str(number): [str(number + 1)] for number in range(10)}) == []


def test_ten_thousand_links_are_followed() -> None:
    chain = {str(number): [str(number + 1)] for number in range(10_000)}
    assert cycles(chain) == []
    assert too_long(chain) == ["9989"]
    assert len(cycles(chain | {"10000": ["0"]})[0]) == 10_002


def test_a_knot_is_not_told_in_every_way_it_can_be_walked() -> None:
    names = [str(number) for number in range(300)]
    assert len(cycles(dict.fromkeys(names, names))) == MOST_TOLD
