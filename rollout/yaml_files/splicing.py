"""Adds an entry to a YAML list, or takes entries out, by changing characters of its text and no others. Comments stay
where they are, also those beside an entry that goes; a new entry is laid out as its neighbours are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from rollout.yaml_files.nodes import ListNode, MapNode, Node

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*")
_BLANKS = re.compile(r"[ \t]*")
_NOTHING = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")  # spaces, line breaks and comments
_COMMA_BETWEEN = re.compile(r"[ \t]*,[ \t]*")
_END_OF_LINE = re.compile(r"[ \t]*(?P<comma>,?)[ \t]*(?P<comment>#[^\r\n]*)?")


@dataclass(frozen=True, slots=True)
class Edit:
    """Instead of the characters from `start` to `end`, these."""

    start: int
    end: int
    text: str = ""


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text after these edits, no two of which touch the same characters."""
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def added(text: str, node: ListNode, index: int, word: str) -> list[Edit]:
    """`word` becomes the entry with this index of a list that has some; `len(node.items)`: the last."""
    add = _added_in_brackets if _in_brackets(text, node) else _added_line
    return add(text, node, index, word)


def without(text: str, node: ListNode, indices: Collection[int]) -> list[Edit]:
    """These entries go. The last entry of a list cannot: what would be left of a list of none is no list."""
    spans = _with_commas if _in_brackets(text, node) else _with_dashes
    return [_tidy(text, start, end) for start, end in _joined(text, spans(text, node, indices))]


def _in_brackets(text: str, node: ListNode) -> bool:
    return text[node.start] == "["


def _added_line(text: str, node: ListNode, index: int, word: str) -> list[Edit]:
    dash = _dash(text, node, max(index - 1, 0))
    indent = re.sub(r"\S", " ", text[_line_start(text, dash) : dash])
    gap = text[dash + 1 : node.items[max(index - 1, 0)].start]
    entry = f"-{gap if gap.strip(' ') == '' else ' '}{word}"
    if index == 0:
        return [Edit(dash, dash, f"{entry}{_line_break(text, dash)}{indent}")]
    end = _line_end(text, _end(text, node.items[index - 1]))
    return [Edit(end, end, f"{_line_break(text, end)}{indent}{entry}")]


def _added_in_brackets(text: str, node: ListNode, index: int, word: str) -> list[Edit]:
    if index == 0:
        return [_added_first(text, node, word)]
    before = node.items[index - 1]
    end = _end(text, before)
    line_start, line_end = _line_start(text, before.start), _line_end(text, end)
    alone = not text[line_start : before.start].strip()
    rest = _END_OF_LINE.fullmatch(text, end, line_end)
    if not rest or not (alone or rest["comment"]) or (not rest["comma"] and index < len(node.items)):
        return [Edit(end, end, _comma(text, node) + word)]
    indent = re.sub(r"\S", " ", text[line_start : before.start])
    line = Edit(line_end, line_end, f"{_line_break(text, end)}{indent}{word}{rest['comma']}")
    return [line] if rest["comma"] else [Edit(end, end, ","), line]


def _added_first(text: str, node: ListNode, word: str) -> Edit:
    first = node.items[0].start
    lead = text[_line_start(text, first) : first]
    gap = _comma(text, node) if lead.strip() else f",{_line_break(text, first)}{lead}"
    return Edit(first, first, word + gap)


def _comma(text: str, node: ListNode) -> str:
    """What stands between two entries on one line."""
    pairs = zip(node.items, node.items[1:], strict=False)
    gaps = (text[_end(text, one) : other.start] for one, other in pairs)
    return next((gap for gap in gaps if _COMMA_BETWEEN.fullmatch(gap)), ", ")


def _with_dashes(text: str, node: ListNode, indices: Collection[int]) -> Iterator[tuple[int, int]]:
    for index in sorted(indices):
        yield _dash(text, node, index), _end(text, node.items[index])


def _with_commas(text: str, node: ListNode, indices: Collection[int]) -> Iterator[tuple[int, int]]:
    for index in sorted(indices):
        end = _end(text, node.items[index])
        comma = _after_nothing(text, end)
        yield node.items[index].start, end
        yield comma, comma + 1


def _joined(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those with only blanks between them are one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and _BLANKS.fullmatch(text, joined[-1][1], start):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _tidy(text: str, start: int, end: int) -> Edit:
    """Takes out these characters, and the line where nothing else is on it, or the blanks that they leave behind."""
    line_start, line_end = _line_start(text, start), _line_end(text, end)
    after = _blanks_end(text, end)
    lead = text[line_start:start]
    if not lead.strip() and after == line_end:
        line_break = _LINE_BREAK.match(text, line_end)
        return Edit(line_start, line_break.end() if line_break else line_end)
    if not lead.strip() or not (after == line_end or text[after] == "#"):
        return Edit(start, after)
    return Edit(line_start + len(lead.rstrip(" \t")), after if after == line_end else end)


def _dash(text: str, node: ListNode, index: int) -> int:
    """Where the dash of an entry stands."""
    return node.start if index == 0 else _after_nothing(text, _end(text, node.items[index - 1]))


def _end(text: str, node: Node) -> int:
    """Behind the last character of an entry. libyaml counts what follows a block text, or a pair in a [ ], as part of
    it."""
    if isinstance(node, MapNode) and text[node.start] != "{":
        return max(_end(text, value) for _, value in node.entries.values())
    if isinstance(node, ListNode) and not _in_brackets(text, node):
        return _end(text, node.items[-1])
    return node.start + len(text[node.start : node.end].rstrip(" \t\r\n"))


def _after_nothing(text: str, index: int) -> int:
    found = _NOTHING.match(text, index)
    return found.end() if found else index


def _blanks_end(text: str, index: int) -> int:
    found = _BLANKS.match(text, index)
    return found.end() if found else index


def _line_start(text: str, index: int) -> int:
    return max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1


def _line_end(text: str, index: int) -> int:
    found = _LINE.match(text, index)
    return found.end() if found else index


def _line_break(text: str, index: int) -> str:
    """As lines end around here."""
    found = _LINE_BREAK.search(text, index) or _LINE_BREAK.search(text)
    return found[0] if found else "\n"
