"""The service's documents in words, the same in a terminal and on a page: who has a flag, who gains and loses, where
it stands. Pure functions over documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]

BY_RULES = "those whom its rules serve"


def share_words(audience: str, share: str) -> str:
    return f"{share} of {audience}"


def exposure_words(exposure: Mapping[str, str]) -> str:
    """ "100% of employees, 1% of india"; "nobody"."""
    return ", ".join(share_words(*entry) for entry in exposure.items()) or "nobody"


def live_words(line: Document) -> str:
    """Who has a flag, as its line in a status document says."""
    if not line["live"] and line["state"] == "on":
        return BY_RULES
    return exposure_words({one["audience"]: one["share"] for one in line["live"]}) + without_words(line)


def standing(flag: str, position: Document) -> str:
    """ "payments is halted, at 100% of employees, 1% of india"."""
    state = position["state"]
    if state == "killed":
        return f"{flag} is killed: off for everyone"
    if state == "disabled":
        return f"{flag} is switched off in the file: off for everyone"
    if state == "on" and not position.get("exposure"):
        return f"{flag} is on, for {BY_RULES}"
    return f"{flag} is {state}, at {exposure_words(position.get('exposure', {}))}{without_words(position)}"


def without_words(position: Document) -> str:
    """ " without bank SBI": whom guards excluded, if anybody."""
    out = dict.fromkeys(f"{one['attribute']} {one['value']}" for one in position.get("excluded", ()))
    return f" without {', '.join(out)}" if out else ""


def readmitted_words(one: Document) -> str:
    """ "bank SBI, whom guard upi-failures excluded"."""
    return f"{one['attribute']} {one['value']}, whom guard {one['guard']} excluded"


def served_words(served: Document) -> str:
    """Of a share, what servers counted: "of 31,402 checks of people in india since 10:05 UTC 1.3% were on; of about
    5,120 people 1.04%; intended 1%, 0.82% to 1.2% may be chance"."""
    checks, people = served["audience_checks"], served["people"]
    since = f"since {served['since'][11:16]} UTC"
    if not checks and not people:
        return f"nobody in {served['audience']} was asked for {since}; intended {served['share']}"
    said = []
    if checks:
        on = f"{100 * served['on_checks'] / checks:.3g}%"
        said.append(f"of {checks:,} checks of people in {served['audience']} {since} {on} were on")
    if served["percent"] is None:
        return "; ".join([*said, f"too few people to compare yet; intended {served['share']}"])
    where = "" if checks else f" in {served['audience']} {since}"
    said.append(f"of about {people:,} people{where} {served['percent']:.3g}%")
    chance = f"{served['lowest']:.3g}% to {served['highest']:.3g}% may be chance"
    return "; ".join([*said, f"intended {served['share']}, {chance}"])


def move_words(move: Document) -> str:
    """ "india: 1% → 5%"."""
    return f"{move['audience']}: {move['before']} → {move['after']}"


def raised(moves: Iterable[Document]) -> list[Document]:
    """The moves by which somebody gains."""
    return [move for move in moves if _percent(move["after"]) > _percent(move["before"])]


def _percent(share: str) -> Fraction:
    return Fraction(share.removesuffix("%"))


def file_words(line: Document) -> str:
    """How a flag's line in the file relates to what is live."""
    if not line["in_file"]:
        return "not in the file"
    if line["held_back"]:
        return "held back: " + "; ".join(line["held_back"])
    return "in sync"


def progress_words(progress: Document) -> str:
    """A position as the audit has it: "halted, 1% of india"."""
    stopped = [word for word in ("killed", "halted") if word in progress]
    return ", ".join([*stopped, exposure_words(progress.get("exposure", {})) + without_words(progress)])


def plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
