"""`doctor` at the command line: words for people, and 1 for a monitor."""

from __future__ import annotations

from clikit import Cli, answers, at_terminal, run, scripted, service

SICK = {
    "schema_version": 1,
    "healthy": False,
    "checks": [
        {"check": "store eviction", "state": "problem", "says": "allkeys-lru", "hint": "CONFIG SET it"},
        {"check": "keys", "state": "ok", "says": "none expires within two weeks", "hint": None},
    ],
}


def test_a_healthy_installation_ends_with_0(cli: Cli) -> None:
    with service(cli.store) as url:
        result = run("doctor", "--url", url)
    assert (result.code, result.rows[0]) == (0, ["check", "state", "says", "hint"])
    assert ["keys", "ok", "none: the service answers its own machine alone", ""] in result.rows


def test_one_problem_ends_with_1_and_says_what_to_do() -> None:
    with scripted(answers(SICK)) as (url, _):
        assert run("doctor", "--url", url, "--json").json == SICK
        code, shown = at_terminal("doctor", "--url", url, env={"NO_COLOR": "1"})
    assert code == 1
    assert "✗ store eviction: allkeys-lru" in shown
    assert "CONFIG SET it" in shown
