"""Of a flag's guards one is shown where there is room for one only."""

from __future__ import annotations

from typing import Any

from rollout.service.guard_reports import worst_guard


def guard(name: str, verdict: str, *groups: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "verdict": verdict, "groups": list(groups)}


def group(value: str, evidence: float, *, stopped: bool = False) -> dict[str, Any]:
    recent = [{"at": "2026-11-23T09:00:00.000Z", "failures": 1, "outcomes": 100}]
    known = {"value": value, "evidence_percent": evidence, "stopped": stopped}
    return {**known, "reading": f"of {value}", "recent": recent}


def test_it_is_the_one_with_the_worst_verdict() -> None:
    verdicts = ("healthy", "too little data", "source silent", "breached")
    for place, worst in enumerate(verdicts):
        shown = worst_guard([guard(verdict, verdict) for verdict in verdicts[: place + 1]])
        assert shown and shown["verdict"] == worst


def test_it_is_shown_by_whoever_was_stopped_and_else_by_who_is_nearest_to_it() -> None:
    def check(value: str | None, *groups: dict[str, Any]) -> None:
        shown = worst_guard([guard("failures", "healthy", *groups)])
        assert shown and shown["value"] == value
        assert shown["reading"] == (f"of {value}" if value else None)
        assert len(shown["recent"]) == (1 if value else 0)

    check("SBI", group("HDFC", 20), group("SBI", 60), group("ICICI", 40))
    check("HDFC", group("HDFC", 20, stopped=True), group("SBI", 60))
    check(None)


def test_a_flag_without_guards_has_none() -> None:
    assert worst_guard([]) is None
