"""Documents in words for the templates: what the command line says, and times that a script puts in the reader's own
zone and that name theirs without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from rollout.core.durations import format_duration
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.service import words
from rollout.service.spans import ago, coming_in
from rollout.service.words import Document
from rollout.web.console import marks

STATES = ("killed", "halted", "rolling", "on", "done", "disabled")

_TICKED = re.compile(r"`([^`]+)`")

STATE_WORDS = {
    "killed": "Killed: off for everyone",
    "halted": "Halted: nobody new gets it",
    "rolling": "Rolling: moves by itself",
    "on": "On, without a rollout",
    "done": "Done: everyone in its plan has it",
    "disabled": "Switched off in the file",
}


def utc(text: str) -> str:
    """ "25 Nov 2026 20:13:04 UTC"."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M:%S} UTC"


def now_of(document: Document) -> datetime:
    """The moment that a document is from; ours where it does not say."""
    at = document.get("at")
    return datetime.fromisoformat(at) if at else datetime.now(UTC)


def bake_words(seconds: int) -> str:
    return format_duration(timedelta(seconds=seconds))


def sentence(flag: Document) -> str:
    """Of state: "payments is halted, at 100% of employees, 1% of india."."""
    exposure = {one["audience"]: one["share"] for one in flag["live"]}
    return words.standing(flag["flag"], {**flag, "exposure": exposure}) + "."


def outcome(answer: Document) -> str:
    """Of a change: where the flag stands after it."""
    return words.standing(answer["flag"], answer["after"]) + "."


def pretty(document: Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def headline(given: Mapping[str, str], one: Document) -> str:
    """Of an explanation: "u-58 does not have payments: country is IN, not GB"."""
    whose = given.get(TARGETING_ATTRIBUTE) or "Somebody like this"
    if "in_force" in one:
        return f"{whose} {'had' if one['on'] else 'did not have'} {one['flag']} then: {one['because']}"
    has = "has" if one["on"] else "does not have"
    return f"{whose} {has} {one['flag']}: {one['because']}"


def then_words(one: Document) -> str:
    """Which moment an explanation is of, and what was in force then. Nothing where it is of now."""
    force = one.get("in_force")
    if force is None:
        return ""
    file, since = force["file"], f"in force since {utc(force['since'])}"
    by = f", by {file['name']} ({file['digest'][:12]}), in force since {utc(file['since'])}" if file else ""
    return f"As of {utc(one['at'])}: revision {force['revision']}, {since}{by}; {one['attributes']}."


def with_code(text: str) -> Markup:
    """What stands in backticks in our messages, as code."""
    return Markup(_TICKED.sub(r"<code>\1</code>", str(escape(text))))  # escaped before tags are put in


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def has_rollout(flag: Document) -> bool:
    return bool(flag["stage"]["of"]) and flag["state"] != "on"


def is_failing(flag: Document) -> bool:
    """Something of it is out of bounds, or was and still is without the flag."""
    return flag["health"] == "breached" or bool(flag.get("excluded"))


def is_raise(move: Document) -> bool:
    return bool(words.raised([move]))


def what_moved(entry: Document) -> str:
    """Of an audit entry: where it stood and where it stands."""
    before, after = entry["before"], entry["after"]
    if entry["flag"]:
        return f"{words.progress_words(before)} → {words.progress_words(after)}"
    if "keys" in after:
        return ", ".join(f"{key['role']} key {key['id']} of {key['name']}" for key in after["keys"])
    if "ended" in after:
        return "the session ended on every server"
    touched = sorted({*after.get("progress", ()), *after.get("archived", ())})
    said = f"{digest_words(before.get('file'))} → {digest_words(after.get('file'))}"
    return f"{said}: {', '.join(touched[:5])}{' …' if len(touched) > 5 else ''}" if touched else said


def digest_words(digest: str | None) -> str:
    return f"file {digest[:12]}" if digest else "no file"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "utc": utc,
    "bake": bake_words,
    "sentence": sentence,
    "live_words": words.live_words,
    "file_words": words.file_words,
    "served_words": words.served_words,
    "what_moved": what_moved,
    "outcome": outcome,
    "pretty": pretty,
    "headline": headline,
    "code": with_code,
    "capital": capital,
}

GLOBALS: Mapping[str, Any] = {
    "STATES": STATES,
    "STATE_WORDS": STATE_WORDS,
    "ago": ago,
    "coming_in": coming_in,
    "has_rollout": has_rollout,
    "is_failing": is_failing,
    "is_raise": is_raise,
    "plural": words.plural,
    "icon": marks.icon,
    "state_mark": marks.state_mark,
    "health_mark": marks.health_mark,
    "stage_bar": marks.stage_bar,
    "now_of": now_of,
}
