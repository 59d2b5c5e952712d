"""A flag's guards, and what each of them has seen: a row for the guard and one for each value that it judges."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.cli.overview import HEALTH_STYLES
from rollout.cli.terminal import Cell, Styled
from rollout.service.words import Document

SILENT = "nothing reported yet"


def guard_rows(guard: Document) -> Iterator[list[Cell]]:
    """For people: the guard, then its groups, the worst first."""
    verdict = Styled(guard["verdict"], HEALTH_STYLES.get(guard["verdict"], "green"))
    yield [guard["name"], verdict, guard.get("limit", guard.get("problem")), "", ""]
    for group in sorted(guard["groups"], key=lambda group: -group["evidence_percent"]):
        whose = f"  {group['value'] or 'all'}"
        evidence = f"{group['evidence_percent']}% of what would {guard['action']} it"
        yield [whose, _said_of(group), group["reading"], evidence, f"{group['samples']} samples"]
    if not guard["groups"]:
        yield ["", SILENT, "", "", ""]


def guard_fields(guard: Document) -> Iterator[tuple[str, ...]]:
    """For programs, only ever added to at the end: guard, its name, verdict, limit and action; group, the guard's name,
    value, reading, evidence in percent, samples, and what was done."""
    yield "guard", guard["name"], guard["verdict"], guard.get("limit", ""), guard.get("action", "")
    for group in guard["groups"]:
        yield (
            "group",
            guard["name"],
            group["value"] or "",
            group["reading"],
            str(group["evidence_percent"]),
            str(group["samples"]),
            _said_of(group),
        )


def _said_of(group: Document) -> str:
    if group["excluded"]:
        return "excluded"
    return "stopped it" if group["stopped"] else ""
