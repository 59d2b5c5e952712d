"""Chains of things that need each other (`requires`, segments inside segments): none may come back to where it began,
and none may be so long that a check gets slow or nobody understands it. Thousands of links are no matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from rollout.yaml_files.notes import Located, Notes

LONGEST = 10
MOST_TOLD = 20

Links: TypeAlias = Mapping[str, Sequence[str]]
"""Name -> the names that it needs."""


def cycles(links: Links) -> list[tuple[str, ...]]:
    """Ways back to where they began, such as ("a", "b", "a"): one at least where there are any, at most MOST_TOLD."""
    found = []
    done: set[str] = set()
    for start in links:
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(links[start])}
        while path:
            name = next(reversed(path))
            step = next(path[name], None)
            if step is None:
                done.add(name)
                del path[name]
            elif step in path:
                found.append((*_from(step, path), step))
                if len(found) == MOST_TOLD:
                    return found
            elif step in links and step not in done:
                path[step] = iter(links[step])
    return found


def _from(name: str, path: Iterable[str]) -> list[str]:
    names = list(path)
    return names[names.index(name) :]


def too_long(links: Links) -> list[str]:
    """The names whose chain is the first too long: what needs them in turn is not told again. There are no cycles."""
    depth: dict[str, int] = {}
    for start in links:
        todo = [start]
        while todo:
            name = todo[-1]
            waiting = [step for step in links.get(name, ()) if step not in depth]
            if waiting:
                todo.extend(waiting)
                continue
            depth[todo.pop()] = 1 + max((depth[step] for step in links.get(name, ())), default=-1)
    return [name for name in links if depth[name] == LONGEST + 1]


def check_chains(links: Links, kind: str, places: Mapping[str, Located], notes: Notes) -> None:
    """`kind`: what the names are of, and `places` where the file speaks of what they need."""
    found = cycles(links)
    for cycle in found:
        notes.error(places[cycle[0]], f"{kind} that need each other: {_drawn(cycle)}", "take one of the links out")
    for name in [] if found else too_long(links):
        notes.error(places[name], f"'{name}' begins a chain of more than {LONGEST} {kind}", "shorten it")


def _drawn(cycle: Sequence[str]) -> str:
    shown = cycle if len(cycle) <= 8 else [*cycle[:4], "…", *cycle[-3:]]
    return " → ".join(shown)
