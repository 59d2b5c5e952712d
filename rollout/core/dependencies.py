"""The order in which things that need each other are made: segments inside segments, flags that require flags."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def needed_first(links: Mapping[str, Collection[str]]) -> list[str]:
    """All names of `links`, each after those that it needs, however long the chain. Names that are not there are left
    out; where names need each other in a circle, one of them comes too early, for whoever makes it to notice."""
    ordered: dict[str, None] = {}
    begun: set[str] = set()
    waiting = list(links)[::-1]
    while waiting:
        name = waiting[-1]
        if name in begun:
            ordered[waiting.pop()] = None
            continue
        begun.add(name)
        waiting += [other for other in links[name] if other in links and other not in begun]
    return list(ordered)
