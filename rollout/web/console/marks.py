"""Small pictures with their words: states, verdicts, bars of stages. A list of a thousand flags has thousands of them
and only a few that differ, so each is made once.
"""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup, escape

MOST_KEPT = 1024


@lru_cache(MOST_KEPT)
def icon(name: str) -> Markup:
    """Decoration: what it means stands beside it."""
    return Markup('<svg class="i" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


@lru_cache(MOST_KEPT)
def state_mark(word: str) -> Markup:
    """An icon, a word and a colour."""
    return Markup('<span class="st {}">{}{}</span>').format(word, icon(word), word)


@lru_cache(MOST_KEPT)
def health_mark(word: str) -> Markup:
    """A verdict; what is out of bounds has an icon as well."""
    mark = icon("warn") if word == "breached" else ""
    return Markup('<span class="health {}">{}{}</span>').format(word.replace(" ", "-"), mark, escape(word))


@lru_cache(MOST_KEPT)
def stage_bar(done: int, of: int) -> Markup:
    """How many stages are live; the numbers stand beside it."""
    steps = Markup('<i class="d"></i>') * done + Markup("<i></i>") * (of - done)
    return Markup('<span class="bar" aria-hidden="true">{}</span>').format(steps)
