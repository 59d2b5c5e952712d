"""Reads single words: text, names, true and false, numbers, dates, lengths of time, percentages, and the values that
YAML 1.2's core schema gives to words without quotes. Every reader takes a node and raises InvalidInput, which says what
would be right; whoever calls it knows the place.
"""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

from rollout.core.durations import parse_duration
from rollout.core.errors import InvalidInput
from rollout.core.guards import Rate
from rollout.core.shares import Share
from rollout.yaml_files.nodes import ListNode, Node, Scalar, shown

LONGEST_TEXT = 10_000
LARGEST_INTEGER = 2**53 - 1  # beyond it JavaScript and JSON readers lose digits
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
ATTRIBUTE_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]{0,62}")

_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_YES = frozenset({"true", "yes", "y", "on", "1", "enabled", "t"})
_NO = frozenset({"false", "no", "n", "off", "0", "disabled", "f"})
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)/([smh])")
_SPANS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.style and node.text in _NULL


def scalar(node: Node) -> Scalar:
    """The node, where it is one word or text."""
    if not isinstance(node, Scalar):
        raise InvalidInput(f"a {kind_of(node)} where a text belongs")
    if is_null(node):
        raise InvalidInput("there is no value", "give one, or take the key out")
    return node


def kind_of(node: Node) -> str:
    if isinstance(node, Scalar):
        return "nothing" if is_null(node) else "text"
    return "list" if isinstance(node, ListNode) else "mapping"


def text(node: Node) -> str:
    """Any words, of one line or several."""
    value = scalar(node).text
    if not value.strip():
        raise InvalidInput("an empty text", "write something")
    if len(value) > LONGEST_TEXT:
        raise InvalidInput(f"a text of more than {LONGEST_TEXT:,} characters", "say it shorter")
    return value


def line(node: Node) -> str:
    """Words on one line."""
    value = text(node)
    if len(value.splitlines()) > 1 or len(value) > 256:
        raise InvalidInput("a text of several lines, or more than 256 characters", "write one short line")
    return value


def name(node: Node) -> str:
    """What segments, guards, plans, stages and variants are called."""
    value = scalar(node).text
    if not NAME.fullmatch(value):
        raise InvalidInput(f"'{shown(value)}' is not a name", "use up to 63 letters, digits, - and _")
    return value


def boolean(node: Node) -> bool:
    word = scalar(node)
    if word.text in ("true", "false"):
        if word.style:
            raise InvalidInput(f"{word.text} in quotes is a text", "take the quotes off")
        return word.text == "true"
    meant = word.text.casefold()
    hint = "write true" if meant in _YES else "write false" if meant in _NO else "write true or false"
    raise InvalidInput(f"'{shown(word.text)}' is not true or false", hint)


def count(node: Node) -> int:
    """A whole number from 1."""
    word = scalar(node)
    if word.style or not re.fullmatch(r"[1-9][0-9]{0,8}", word.text):
        raise InvalidInput(f"'{shown(word.text)}' is not a whole number from 1", "write digits alone, such as 100")
    return int(word.text)


def ratio(node: Node) -> Fraction:
    word = scalar(node)
    if word.style or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", word.text) or Fraction(word.text) < 1:
        raise InvalidInput(
            f"'{shown(word.text)}' is not a number from 1", "write how many times as often, such as 1.25"
        )
    return Fraction(word.text)


def duration(node: Node) -> timedelta:
    return _duration(shown(scalar(node).text))


def share(node: Node) -> Share:
    return _share(shown(scalar(node).text))


# The same few are written thousands of times.
_duration = lru_cache(maxsize=256)(parse_duration)
_share = lru_cache(maxsize=256)(Share.parse)


def rate(node: Node) -> Rate:
    word = scalar(node).text
    found = _RATE.fullmatch(word)
    if found is None or not Fraction(found[1]):
        raise InvalidInput(f"'{shown(word)}' is not a rate", "write how many in which time, such as 5/m (or /s, /h)")
    return Rate(Fraction(found[1]), _SPANS[found[2]])


def day(node: Node) -> date:
    return day_of(scalar(node).text)


def day_of(word: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", word, re.ASCII):
        raise InvalidInput(f"'{shown(word)}' is not a date", "write year-month-day, such as 2027-03-01")
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise InvalidInput(f"there is no day {word}", "write year-month-day, such as 2027-03-01") from None


def core_value(word: Scalar) -> Any:
    """What YAML 1.2's core schema makes of a word: null, a boolean, a number, or its text. Quoted words are text."""
    plain = word.text
    if word.style:
        return plain
    if plain in _NULL:
        return None
    if plain in _TRUE or plain in _FALSE:
        return plain in _TRUE
    if _INTEGER.fullmatch(plain) or _BASED.fullmatch(plain):
        return _integer(plain)
    if _FLOAT.fullmatch(plain):
        return _float(plain)
    if _INFINITE.fullmatch(plain):
        raise InvalidInput(f"{plain} is not a number that JSON has", "write digits")
    return plain


def _integer(plain: str) -> int:
    value = int(plain, 0 if _BASED.fullmatch(plain) else 10) if len(plain) <= 40 else LARGEST_INTEGER + 1
    if abs(value) > LARGEST_INTEGER:
        raise InvalidInput(
            f"{shown(plain)} has more digits than every client can hold", f"stay within ±{LARGEST_INTEGER}, or quote it"
        )
    return value


def _float(plain: str) -> float:
    value = float(plain) if len(plain) <= 400 else math.inf
    if not math.isfinite(value):
        raise InvalidInput(f"{shown(plain)} is too large a number", "write a smaller one, or quote it")
    return value
