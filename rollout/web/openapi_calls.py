"""What each call is for, what it reads and what it answers, for `openapi`. By the name of its view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel

from rollout.web.bodies import (
    AuditQuery,
    BeginBody,
    ChangeBody,
    CreateKeyBody,
    DiffQuery,
    ExportBody,
    FileQuery,
    FilesBody,
    FilesOptions,
    LoadsQuery,
    MoveBody,
    NotesQuery,
    PartQuery,
    ResumeBody,
    RotateKeyBody,
    SetBody,
    StatusQuery,
)

Schema: TypeAlias = dict[str, Any]

JSON = "application/json"
YAML = "application/yaml"
OCTETS = "application/octet-stream"

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
ANYTHING: Schema = {}
BYTES: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}


def an_object(**members: Schema) -> Schema:
    """With these members, and whatever is added to them later."""
    return {"type": "object", "required": list(members), "properties": members}


def a_list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


OBJECT: Schema = {"type": "object"}
MAPPING: Schema = {"type": "object", "additionalProperties": ANYTHING}

ATTRIBUTES: Schema = {
    "name": "attributes",
    "in": "query",
    "description": "Attributes of the person by name, user_id among them; those that the flags file declares count.",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": TEXT},
}
AT: Schema = {
    "name": "at",
    "in": "query",
    "description": "A past moment; an attribute of this name is sent as attribute.at.",
    "schema": TEXT,
}
WORDS: Schema = {
    "name": "words",
    "in": "query",
    "description": "The language (en, hi, nl) of a sentence that may be read to the person.",
    "schema": TEXT,
}
VERDICTS: Schema = {
    "name": "verdict",
    "in": "query",
    "description": "STAGE:WORD, what the guards find in a stage.",
    "schema": a_list(TEXT),
}
HAVE: Schema = {
    "name": "have",
    "in": "query",
    "description": "The etag of the edition that is already there.",
    "schema": TEXT,
}


@dataclass(frozen=True, slots=True)
class Call:
    summary: str
    answer: Schema = field(default_factory=lambda: OBJECT)
    body: type[BaseModel] | Schema | None = None
    needs_body: bool = False
    query: type[BaseModel] | Schema | None = None
    more_query: tuple[Schema, ...] = ()
    statuses: tuple[int, ...] = ()  # besides the usual ones
    answer_type: str = JSON
    body_type: str = JSON
    other_answers: Mapping[int, Schema] = field(default_factory=dict)  # that are no errors, by status

    @property
    def answers(self) -> Mapping[int, Schema]:
        return {200: self.answer, **self.other_answers}

    def parameters(self) -> Iterator[Schema]:
        if isinstance(self.query, dict):
            yield self.query
        elif self.query is not None:
            properties = self.query.model_json_schema()["properties"]
            required = self.query.model_json_schema().get("required", ())
            for name, schema in properties.items():
                yield {"name": name, "in": "query", "schema": schema} | ({"required": True} if name in required else {})
        yield from self.more_query

    def body_content(self) -> Schema:
        if self.body is None:
            return {}
        schema = self.body if isinstance(self.body, dict) else self.body.model_json_schema()
        yaml = {YAML: {"schema": TEXT}} if self.body is FilesBody else {}
        return {self.body_type: {"schema": schema}} | yaml


def json_content(schema: Schema) -> Schema:
    return {JSON: {"schema": schema}}


_ERROR = an_object(error=an_object(code=TEXT, message=TEXT))
_OFREP_ERROR = an_object(errorCode=TEXT, errorDetails=TEXT)


def errors_as(path: str) -> Schema:
    return _OFREP_ERROR if path.startswith("/ofrep/") else _ERROR


_CHECK = an_object(
    flag=TEXT, on=TRUTH, value=ANYTHING, variant=or_null(TEXT), reason=TEXT, revision=NUMBER, stale=TRUTH
)
_EVALUATION = an_object(key=TEXT, variant=or_null(TEXT), reason=TEXT, metadata=OBJECT)
_CONTEXT: Schema = {"type": "object", "properties": {"context": or_null({"type": "object"})}}
_CHANGED = an_object(
    flag=TEXT,
    action=TEXT,
    dry_run=TRUTH,
    request_id=TEXT,
    changed=TRUTH,
    revision=NUMBER,
    before=OBJECT,
    after=OBJECT,
    moves=a_list(an_object(audience=TEXT, before=TEXT, after=TEXT)),
    raises=TRUTH,
    undo=or_null(TEXT),
)
_LOADED = an_object(
    action=TEXT, changed=TRUTH, revision=NUMBER, flags=a_list(OBJECT), not_in_file=a_list(TEXT), archived=a_list(TEXT)
)
_KEY = an_object(id=TEXT, role=TEXT, name=TEXT, state=TEXT, created_at=TEXT, expires_at=or_null(TEXT))
_KEYS_CHANGED = an_object(action=TEXT, changed=TRUTH, revision=NUMBER, keys=a_list(_KEY))
_KEY_MADE = an_object(action=TEXT, changed=TRUTH, revision=NUMBER, keys=a_list(_KEY), secret=or_null(TEXT))
_OUTCOMES: Schema = {"anyOf": [a_list(OBJECT), an_object(outcomes=a_list(OBJECT))]}
_DRAW = an_object(share=TEXT, inside=a_list(TEXT), control=a_list(TEXT))
_EXPOSURES = an_object(exposures={"type": "object", "additionalProperties": a_list(TEXT)})
_EXPOSURES["properties"]["draws"] = {"type": "object", "additionalProperties": _DRAW}

_PENDING = an_object(
    id=TEXT, action=TEXT, content=OBJECT, raises=a_list(TEXT), by=OBJECT, at=TEXT, expires_at=TEXT, needed=NUMBER
)
_WAITS = an_object(action=TEXT, changed=TRUTH, revision=NUMBER, pending=_PENDING)
_DECIDED = an_object(action=TEXT, changed=TRUTH, revision=NUMBER)
_LOAD = an_object(
    load=TEXT,
    action=TEXT,
    state=TEXT,
    at=TEXT,
    size=NUMBER,
    received=NUMBER,
    status=or_null(NUMBER),
    answer=or_null(OBJECT),
    error=or_null(OBJECT),
)
_TAKEN: dict[str, Any] = {"statuses": (202,), "other_answers": {202: _LOAD}}
_WAITS_OR_TAKEN: Schema = {"anyOf": [_WAITS, _LOAD]}
MAY_WAIT: dict[str, Any] = {"statuses": (202,), "other_answers": {202: _WAITS}}

CALLS: Mapping[str, Call] = {
    "check": Call("Whether a flag is on for somebody.", _CHECK, query=ATTRIBUTES),
    "check_all": Call(
        "The same for all flags.",
        an_object(flags={"type": "object", "additionalProperties": _CHECK}, revision=NUMBER, stale=TRUTH),
        query=ATTRIBUTES,
    ),
    "evaluate_one": Call("OpenFeature: one flag.", _EVALUATION, body=_CONTEXT, needs_body=True),
    "evaluate_all": Call(
        "OpenFeature: all flags.", an_object(flags=a_list(OBJECT)), body=_CONTEXT, needs_body=True, statuses=(304,)
    ),
    "report": Call(
        "What became of the things that people did with a flag.",
        an_object(accepted=NUMBER, refused=a_list(OBJECT), warnings=a_list(OBJECT)),
        body=_OUTCOMES,
        needs_body=True,
    ),
    "report_exposures": Call(
        "Whom a program that evaluates by itself served a flag, for the counts of the day.",
        an_object(accepted=NUMBER, unknown=a_list(TEXT)),
        body=_EXPOSURES,
        needs_body=True,
    ),
    "status": Call(
        "Where every rollout stands.",
        an_object(revision=NUMBER, flags=a_list(OBJECT), servers=a_list(OBJECT)),
        query=StatusQuery,
    ),
    "flag_status": Call(
        "One flag with its stages.", an_object(flag=TEXT, state=TEXT, stages=a_list(OBJECT)), query=StatusQuery
    ),
    "diff": Call(
        "What changed for people between two moments.",
        an_object(
            flags=a_list(OBJECT), segments=a_list(OBJECT), files=a_list(OBJECT), changes=NUMBER, changes_read=NUMBER
        ),
        query=DiffQuery,
    ),
    "doctor": Call("What is wrong with the installation.", an_object(healthy=TRUTH, checks=a_list(OBJECT))),
    "explain": Call(
        "Why somebody has a flag or not.",
        an_object(flag=TEXT, on=TRUTH, because=TEXT, steps=a_list(OBJECT), ignored=a_list(TEXT)),
        query=ATTRIBUTES,
        more_query=(AT, WORDS),
    ),
    "simulate": Call("The timetable from now on.", an_object(flag=TEXT, events=a_list(OBJECT)), query=VERDICTS),
    "audit": Call(
        "Who changed what, when and why.",
        an_object(entries=a_list(OBJECT), next_before=or_null(NUMBER)),
        query=AuditQuery,
    ),
    "notes": Call(
        "What was noted although it changed nothing.",
        an_object(entries=a_list(OBJECT), next_before=or_null(TEXT)),
        query=NotesQuery,
    ),
    "exports": Call("Say that you took a copy of the audit.", an_object(noted=TRUTH), body=ExportBody, needs_body=True),
    "fetch_ruleset": Call(
        "The ruleset, for clients that evaluate by themselves: whole, or what changed since the edition in `have`.",
        an_object(revision=NUMBER, etag=TEXT, flags=ANYTHING),
        query=HAVE,
        statuses=(304,),
    ),
    "fetch_members": Call("A member list, by its digest.", BYTES, answer_type=OCTETS),
    "file": Call(
        "The flags file in force, or one that was.",
        an_object(name=or_null(TEXT), revision=NUMBER, text=TEXT, lines=MAPPING),
        query=FileQuery,
    ),
    "loads": Call("Which versions of the file were in force.", an_object(loads=a_list(OBJECT)), query=LoadsQuery),
    "definitions": Call("Segments and guards in words.", an_object(segments=a_list(OBJECT), guards=a_list(OBJECT))),
    "set_share": Call("To a share, and hold there.", _CHANGED, body=SetBody, needs_body=True, **MAY_WAIT),
    "advance": Call("To the next stage.", _CHANGED, body=MoveBody, **MAY_WAIT),
    "halt": Call("Stop moving; those who have it keep it.", _CHANGED, body=ChangeBody),
    "resume": Call("Move again.", _CHANGED, body=ResumeBody, **MAY_WAIT),
    "rollback": Call("To an earlier stage, and hold there.", _CHANGED, body=MoveBody),
    "kill": Call("Off for everyone, now.", _CHANGED, body=ChangeBody),
    "revive": Call("Lift a kill.", _CHANGED, body=ChangeBody, **MAY_WAIT),
    "plan": Call("What a flags file would do.", _LOADED, body=FilesBody, needs_body=True, query=FilesOptions, **_TAKEN),
    "apply": Call(
        "Bring a flags file in force.",
        _LOADED,
        body=FilesBody,
        needs_body=True,
        query=FilesOptions,
        statuses=(202,),
        other_answers={202: _WAITS_OR_TAKEN},
    ),
    "begin_plan": Call(
        "Begin to send a large file for a plan.", body=BeginBody, needs_body=True, query=FilesOptions, **_TAKEN
    ),
    "begin_apply": Call(
        "Begin to send a large file that shall come in force.",
        body=BeginBody,
        needs_body=True,
        query=FilesOptions,
        **_TAKEN,
    ),
    "take_part": Call("The next part of it.", _LOAD, body=BYTES, body_type=OCTETS, needs_body=True, query=PartQuery),
    "load": Call("How it stands with a large file, or what came of it.", _LOAD),
    "pending": Call(
        "What waits for a second person, and what was done alone.", an_object(pending=a_list(_PENDING), revision=NUMBER)
    ),
    "approve": Call("Agree to a change of somebody else.", _DECIDED, body=ChangeBody),
    "reject": Call("Say no to a change that waits.", _DECIDED, body=ChangeBody),
    "list_keys": Call("Every caller's key, without its secret.", an_object(keys=a_list(_KEY), revision=NUMBER)),
    "create_key": Call("Make a key; its secret is answered this once.", _KEY_MADE, body=CreateKeyBody, needs_body=True),
    "rotate_key": Call("Make a key that takes over.", _KEY_MADE, body=RotateKeyBody),
    "revoke_key": Call("Have a key work nowhere any more.", _KEYS_CHANGED, body=ChangeBody),
    "healthz": Call("Whether the process lives.", an_object(status=TEXT)),
    "readyz": Call(
        "Whether there is something to answer from.",
        an_object(ready=TRUTH),
        other_answers={503: an_object(ready=TRUTH)},
        statuses=(503,),
    ),
    "metrics": Call("For Prometheus.", TEXT, answer_type="text/plain"),
    "description": Call("This description.", an_object(openapi=TEXT, paths=MAPPING)),
}
