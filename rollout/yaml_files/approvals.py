"""Reads `approvals:`, how many persons it takes to raise exposure beyond which share."""

from __future__ import annotations

from rollout.core.approvals import FEWEST_PERSONS, MOST_PERSONS, Approvals
from rollout.core.errors import InvalidInput
from rollout.core.shares import EVERYBODY, Share
from rollout.yaml_files.fields import Fields, fields_of
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.nodes import Node
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.scalars import count, share

_PERSONS_HINT = f"write raise: {FEWEST_PERSONS}; that many persons in all"
APPROVALS = Vocabulary(
    "approvals",
    ("raise", "above"),
    {"lower": "lowering needs nobody's approval"},
)


def read_approvals(fields: Fields, notes: Notes) -> Approvals | None:
    """Of the whole file; None where it has none."""
    node = fields.value("approvals")
    if node is None:
        return None
    inner = fields_of(node, APPROVALS, fields.place("approvals"), notes)
    persons = inner.required("raise", _persons, FEWEST_PERSONS, _PERSONS_HINT)
    above = inner.required("above", _above, None, "such as above: 10%")
    return None if above is None else Approvals(persons, above)


def _persons(node: Node) -> int:
    persons = count(node)
    if not FEWEST_PERSONS <= persons <= MOST_PERSONS:
        hint = f"write {FEWEST_PERSONS} to {MOST_PERSONS} persons; where one is enough, take 'approvals' out"
        raise InvalidInput(f"it cannot take {persons}", hint)
    return persons


def _above(node: Node) -> Share:
    bound = share(node)
    if bound == EVERYBODY:
        raise InvalidInput("nothing is above 100%", "write the share up to which one person is enough, such as 10%")
    return bound
