"""What is wrong with a file that is not YAML at all, in words for somebody who edits a flag: libyaml says where it lost
the thread, this says what was most likely meant. A complaint that the table does not know keeps libyaml's own words.
"""

from __future__ import annotations

import yaml

from rollout.core.errors import Problem
from rollout.yaml_files.source import Source

_QUOTE = "put quotes around the text"
_TABS = "indent with spaces"

MAX_DEPTH = 50
TOO_DEEP = (f"nested more than {MAX_DEPTH} levels deep", "nest less")

_WORDS = {
    "mapping values are not allowed in this context": (
        "a second ': ' in one value",
        'indent like the lines around it, or put quotes around text that has ": " in it',
    ),
    "found a tab character that violates indentation": ("a tab where the indentation is", _TABS),
    "did not find expected key": ("this does not fit the lines above", "indent keys of one mapping alike"),
    "did not find expected '-' indicator": ("this does not fit the list above", "begin each entry with '- '"),
    "could not find expected ':'": ("a word without a value", "write: key: value, with a space after the colon"),
    "did not find expected node content": ("a value is missing here", None),
    "block sequence entries are not allowed in this context": ("a list cannot begin here", "begin it on a new line"),
    "found unknown escape character": ("an unknown escape", "double the backslash, or use single quotes"),
    "found invalid Unicode character escape code": ("an escape for no character", "double the backslash"),
    "did not find expected hexdecimal number": ("an unfinished escape", "double the backslash, or use single quotes"),
    "exceeded maximum nesting depth": TOO_DEEP,  # libyaml's own limit, which it meets first where it looks far ahead
    "found undefined tag handle": ("a tag", f"take it out, or {_QUOTE}"),
}
_UNCLOSED = {
    "did not find expected ',' or ']'": ("a list in [ ] goes wrong here", "put a comma or a ] before it"),
    "did not find expected ',' or '}'": ("a mapping in { } goes wrong here", "put a comma or a } before it"),
}
_UNCLOSED_QUOTE = ("found unexpected end of stream", "found unexpected document indicator")


def problem_of(error: yaml.YAMLError, source: Source) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return source.problem(0, f"this is not YAML: {error}")
    return source.problem(*_explained(error, source))


def _explained(error: yaml.MarkedYAMLError, source: Source) -> tuple[int, str, str | None]:
    """Where, what, and what would be right."""
    complaint = str(error.problem)
    at = _index(error.problem_mark, source)
    began = _index(error.context_mark, source) if error.context_mark else at
    if complaint == "found character that cannot start any token":
        return at, *_bad_start(source.text[at : at + 1])
    if error.context in ("while scanning a block scalar", "while scanning an alias", "while scanning an anchor"):
        return began, *_bad_start(source.text[began : began + 1])
    if complaint in _UNCLOSED_QUOTE:
        return began, "this quote is never closed", f"end it with {source.text[began : began + 1]}"
    if complaint in _UNCLOSED and at >= len(source.text.rstrip()):
        opening = source.text[began : began + 1]
        return began, f"this {opening} is never closed", f"end it with {']' if opening == '[' else '}'}"
    if complaint in _UNCLOSED:
        line, column = source.position(began)
        said, hint = _UNCLOSED[complaint]
        return at, said, f"{hint}; it began at {line}:{column}"
    if complaint == "could not find expected ':'":
        return began, *_WORDS[complaint]
    return at, *_WORDS.get(complaint, (f"this is not YAML: {complaint}", None))


def _bad_start(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab where the indentation is", _TABS
    return f"a text cannot begin with {character}", _QUOTE + (', as in ">=8.2.0"' if character == ">" else "")


def _index(mark: object, source: Source) -> int:
    index: int = getattr(mark, "index", 0)
    return min(index, len(source.text))
