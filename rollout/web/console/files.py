"""The flags file: the version in force with its lines, what is wrong with this server's copy, what another version
would do, and the versions before it. And what it defines besides flags, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

from flask import Blueprint, Response, request

from rollout.core.errors import InvalidFile, RefusedByRule, RevisionConflict
from rollout.core.keys import Permission
from rollout.web.asking import check_store
from rollout.web.authorisation import needs
from rollout.web.console.forms import FORM, TOKEN, read_form
from rollout.web.console.pages import Console
from rollout.web.errors import STATUS, TooLarge, UnsupportedMediaType, error_document
from rollout.web.reading import FILES_BODY, text_of

MOST_SHOWN = 256 * 1024
"""Characters of a file that are shown, or compared, on a page."""

FORM_BODY = 3 * FILES_BODY  # percent-encoding makes text up to three times as long
FORM_WITH_FILES = "multipart/form-data"
PASTED = "flags.yaml"


def add(blueprint: Blueprint, console: Console) -> None:
    desk, follower = console.parts.desk, console.parts.follower

    @blueprint.get("/config")
    @needs(Permission.STATUS)
    def config_page() -> Response:
        check_store(follower)
        return _config(console)

    @blueprint.post("/config/plan")
    @needs(Permission.CHANGE)
    def plan_page() -> Response:
        text, fields = _sent()
        console.seal.check(request, fields.get(TOKEN, ""))
        check_store(follower)
        try:
            answer = desk.plan({PASTED: text}, prune=bool(fields.get("prune")))
        except InvalidFile as error:
            problems = error_document(error)["error"]["problems"]
            return _config(console, STATUS[error.code], problems=problems, pasted=text)
        except (RefusedByRule, RevisionConflict) as error:
            return _config(console, STATUS[error.code], refusal=error, pasted=text)
        return _config(console, plan=answer, pasted=text)

    @blueprint.get("/config/<int:revision>")
    @needs(Permission.STATUS)
    def version_page(revision: int) -> Response:
        check_store(follower)
        file = desk.file(revision=revision)
        earlier = desk.loads(before=revision)["loads"][:1]
        before = desk.file(revision=earlier[0]["revision"]) if earlier else {"text": ""}
        difference = None if too_long(file) or too_long(before) else difference_of(before["text"], file["text"])
        return console.page("version.html", file=file, earlier=earlier, difference=difference)

    @blueprint.get("/definitions")
    @needs(Permission.STATUS)
    def definitions_page() -> Response:
        check_store(follower)
        return console.page("definitions.html", document=desk.definitions())


def _config(console: Console, status: int = 200, **outcome: Any) -> Response:
    desk = console.parts.desk
    file = desk.file()
    lines = [] if too_long(file) else file["text"].splitlines()
    nothing = {"plan": None, "problems": (), "refusal": None, "pasted": ""}
    return console.page(
        "config.html", status, file=file, lines=lines, loads=desk.loads()["loads"][:50], **(nothing | outcome)
    )


def too_long(file: Mapping[str, Any]) -> bool:
    return len(file["text"]) > MOST_SHOWN


def difference_of(before: str, after: str) -> list[tuple[str, str]]:
    """Lines with what became of them: "+", "-", " ", and "@" for where."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    return [(line[:1], line if line.startswith("@@") else line[1:]) for line in list(lines)[2:]]


def _sent() -> tuple[str, dict[str, str]]:
    """The text of a file, pasted or uploaded, and the other fields. Raises TooLarge, InvalidInput."""
    if request.mimetype == FORM:
        fields = read_form(request, FORM_BODY)
        return _not_too_large(fields.pop("text", "")), fields
    if request.mimetype != FORM_WITH_FILES:
        raise UnsupportedMediaType("this takes a form", f"send {FORM_WITH_FILES}")
    request.max_content_length = request.max_form_memory_size = FORM_BODY
    fields = dict(request.form.items())
    upload = request.files.get("file")
    content = upload.read() if upload else b""
    return _not_too_large(text_of(content) if content else fields.get("text", "")), fields


def _not_too_large(text: str) -> str:
    if len(text.encode()) > FILES_BODY:
        raise TooLarge(f"the file is larger than {FILES_BODY // 1024} KiB", "plan it beside the server: rollout plan")
    return text.replace("\r\n", "\n")
