"""Exposures that others report: read strictly, counted for flags that exist."""

from __future__ import annotations

import pytest
from test_web_errors import error_in
from webkit import Site


def test_people_are_counted_for_the_flags_that_exist(site: Site) -> None:
    counted: dict[str, list[str]] = {}
    site.serve_with(reported=counted.__setitem__)
    response = site.post("/v1/exposures", {"exposures": {"payments": ["u-1", "u-2"], "paymets": ["u-3"]}})
    assert response.get_json() == {"accepted": 2, "unknown": ["paymets"]}
    assert counted == {"payments": ["u-1", "u-2"]}


def test_draws_are_counted_for_the_flags_that_exist(site: Site) -> None:
    counted: list[object] = []
    site.serve_with(drawn=lambda *said: counted.append(said))
    draw = {"share": "1% of india", "inside": ["u-1"], "control": ["u-2", "u-3"]}
    response = site.post("/v1/exposures", {"exposures": {"payments": ["u-1"]}, "draws": {"payments": draw, "x": draw}})
    assert response.status_code == 200
    assert counted == [("payments", "1% of india", {":inside": ["u-1"], ":control": ["u-2", "u-3"]})]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"exposures": []},
        {"exposures": {"payments": "u-1"}},
        {"exposures": {"payments": [1]}},
        {"exposures": {"payments": ["x" * 1025]}},
        {"exposures": {"payments": ["u"] * 10_001}},
        {"exposures": {"payments": ["u"]}, "draws": []},
        {"exposures": {"payments": ["u"]}, "draws": {"payments": ["u"]}},
        {"exposures": {"payments": ["u"]}, "draws": {"payments": {"share": "1%", "inside": ["u"]}}},
        {"exposures": {}, "draws": {"payments": {"share": "1%", "inside": ["u"] * 9000, "control": ["u"] * 1001}}},
    ],
)
def test_what_is_no_exposures_is_refused_whole(site: Site, body: object) -> None:
    counted: list[str] = []
    site.serve_with(reported=lambda flag, people: counted.append(flag))
    error_in(site.post("/v1/exposures", body), 400, "invalid")
    assert counted == []
