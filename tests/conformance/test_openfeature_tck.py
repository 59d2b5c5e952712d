"""OpenFeature's provider test kit, through the real OpenFeature client for Python, against the real service: of its 57
cases that need no control over the provider's connection, all are met but three that this client cannot meet.
"""

from __future__ import annotations

import pytest
from openfeature.client import OpenFeatureClient
from tck import Run, Scenario, scenarios

SCENARIOS = tuple(scenarios())

DEFECTS_OF_THE_CLIENT = frozenset(
    {
        # It compares types by isinstance, for which True is an integer.
        "Requesting the wrong type returns the code default: "
        'a Integer-flag with key "boolean-flag" and a default value "1"',
        # It takes an integer for no float, and no float for an integer, even where nothing would be lost.
        "An integral float requested as an integer is coerced without loss: "
        'a Integer-flag with key "integral-float-flag" and a default value "1"',
        "An integer requested as a float is widened without loss: "
        'a Float-flag with key "integer-flag" and a default value "0.1"',
    }
)


def test_the_kit_has_as_many_cases_as_we_think() -> None:
    assert len(SCENARIOS) == 57
    assert {scenario.label for scenario in SCENARIOS} >= DEFECTS_OF_THE_CLIENT


@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in SCENARIOS if scenario.label not in DEFECTS_OF_THE_CLIENT],
    ids=lambda scenario: scenario.label,
)
def test_the_client_does_what_the_kit_says(client: OpenFeatureClient, scenario: Scenario) -> None:
    Run(client).carry_out(scenario)


@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in SCENARIOS if scenario.label in DEFECTS_OF_THE_CLIENT],
    ids=lambda scenario: scenario.label,
)
def test_the_client_still_has_its_own_defects(client: OpenFeatureClient, scenario: Scenario) -> None:
    """Fails as soon as it has them no more: then the case belongs to the others."""
    with pytest.raises(AssertionError):
        Run(client).carry_out(scenario)
