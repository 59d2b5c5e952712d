"""What operators send, as models: strict types, no member that is not known, and every error names its member."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from rollout.core.errors import InvalidInput
from rollout.core.keys import HIGHEST_RATE
from rollout.web.evaluate import read_pairs, read_query

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _without_control_characters(text: str) -> str:
    """What is shown on other people's terminals must not steer them."""
    if _CONTROL.search(text):
        raise ValueError("there is a control character in it")
    return text


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("send printable text on one line")
    return text


def _share_as_written(value: object) -> str:
    """A bare number is no share, but whoever reads shares can tell what to write instead."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError('write a percentage in quotes, such as "5%"')
    return str(value)


Text = Annotated[str, AfterValidator(_without_control_characters)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_on_one_line)]
Share = Annotated[str, BeforeValidator(_share_as_written)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[int, Field(ge=0, le=2**53)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ChangeBody(_Model):
    """The circumstances of a change. All may be left out: a stop is not refused over its paperwork."""

    reason: Text = ""
    revision: Revision | None = None
    request_id: Line | None = None
    dry_run: bool = False
    actor: Line | None = None
    break_glass: bool = False
    ticket: Line | None = None


class SetBody(ChangeBody):
    share: Share
    audience: Line | None = None
    beyond_plan: bool = False


class MoveBody(ChangeBody):
    """`to`: a stage's name."""

    to: Line | None = None


class ResumeBody(ChangeBody):
    """`value`: of those whom a guard excluded."""

    value: Line | None = None


class FilesOptions(ChangeBody):
    prune: bool = False


class FilesBody(FilesOptions):
    files: Annotated[dict[Line, str], Field(min_length=1, max_length=100)]


class BeginBody(_Model):
    """A body that comes in parts: how many bytes, and of which type."""

    size: Annotated[int, Field(ge=1, le=2**53)]
    type: Literal["application/json", "application/yaml"] = "application/json"


class PartQuery(_Model):
    """`offset`: how many bytes came before this part."""

    offset: Annotated[int, Field(ge=0, le=2**53)]


class CreateKeyBody(ChangeBody):
    """`expires`: a length of time; `rate`: requests a second that each worker answers."""

    role: Line
    name: Line
    expires: Line | None = None
    rate: Annotated[int, Field(ge=1, le=HIGHEST_RATE)] | None = None


class RotateKeyBody(ChangeBody):
    overlap: Line | None = None
    expires: Line | None = None


class AuditQuery(_Model):
    flag: Line | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int, Field(ge=1, le=2**53)] | None = None


class ExportBody(_Model):
    """An export that somebody takes: which months, how much of the record it shows, and its manifest's digest."""

    quarter: Annotated[str, StringConstraints(pattern=r"^[12][0-9]{3}Q[1-4]$")]
    entries: Revision
    size: Revision
    root: Digest
    manifest: Digest
    reason: Text = ""
    actor: Line = "unknown"


class StatusQuery(_Model):
    at: Line | None = None  # a past moment


class DiffQuery(_Model):
    since: Line
    until: Line = "now"


class NotesQuery(_Model):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Line | None = None


class FileQuery(_Model):
    """`revision`: with which the file came in force; without it, the one in force now."""

    revision: Annotated[int, Field(ge=1, le=2**53)] | None = None


class LoadsQuery(_Model):
    before: Annotated[int, Field(ge=1, le=2**53)] | None = None


M = TypeVar("M", bound=_Model)


def read_model(model: type[M], document: Mapping[str, Any]) -> M:
    """Raises InvalidInput with everything that is wrong."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _invalid(model, error) from None


def read_options(model: type[M], query: bytes) -> M:
    """The same from a query, whose values are read by their type. Raises InvalidInput."""
    given = read_query(query)
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise _invalid(model, error) from None


ASKED_OF_EXPLAIN = ("at", "words")
"""Parameters that are no attributes. An attribute of such a name is sent as attribute.NAME."""


def read_explained(query: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Attributes, and what is asked about them. Raises InvalidInput."""
    given = read_query(query)
    asked = {name: given.pop(name) for name in ASKED_OF_EXPLAIN if name in given}
    named = {f"attribute.{name}": name for name in ASKED_OF_EXPLAIN}
    return {named.get(name, name): value for name, value in given.items()}, asked


def read_verdicts(query: bytes) -> dict[str, str]:
    """Of `verdict=STAGE:WORD`, which may be repeated. Raises InvalidInput."""
    verdicts: dict[str, str] = {}
    for name, value in read_pairs(query):
        stage, separator, word = value.rpartition(":")
        if name != "verdict":
            raise InvalidInput(f"{name[:100]} is not known here", "known is verdict, as in verdict=5%25:breached")
        if not separator:
            raise InvalidInput(f"{value[:100]!r} is not a stage with its verdict", "write verdict=5%25:breached")
        if stage in verdicts:
            raise InvalidInput(f"stage {stage[:100]!r} has two verdicts", "give it one")
        verdicts[stage] = word
    return verdicts


def _invalid(model: type[_Model], error: ValidationError) -> InvalidInput:
    problems = error.errors(include_url=False, include_context=False)
    said = dict.fromkeys(_problem(problem) for problem in problems[:10])
    unknown = any(problem["type"] == "extra_forbidden" for problem in problems)
    return InvalidInput("; ".join(said), f"known are {', '.join(model.model_fields)}" if unknown else None)


def _problem(problem: ErrorDetails) -> str:
    name = ".".join(str(part)[:100] for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "extra_forbidden":
        return f"{name} is not known here"
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}"
