"""Flags files as they are sent: bare YAML with the options in the query, or JSON with everything in it."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Request

from rollout.web.bodies import FilesBody, FilesOptions, read_model, read_options
from rollout.web.reading import FILES_BODY, check_json, is_yaml, json_object, read_body, text_of

FLAGS_FILE = "flags.yaml"
"""What a body of bare YAML is called in problems and in the audit."""


def read_files(request: Request) -> FilesBody:
    """Raises UnsupportedMediaType, TooLarge, InvalidInput."""
    yaml = is_yaml(request)
    if not yaml:
        check_json(request)
    return files_in(read_body(request, FILES_BODY), yaml=yaml, query=request.query_string)


def files_in(content: bytes, *, yaml: bool, query: bytes) -> FilesBody:
    """`query`: of the address. Raises InvalidInput."""
    if yaml:
        return FilesBody(**options_in(query).model_dump(), files={FLAGS_FILE: text_of(content)})
    body = read_model(FilesBody, json_object(content))
    return body.model_copy(update={"files": _flags_file_first(body.files)})


def options_in(query: bytes) -> FilesOptions:
    """Of bare YAML. Raises InvalidInput."""
    return read_options(FilesOptions, query)


def _flags_file_first(files: Mapping[str, str]) -> dict[str, str]:
    """Many clients sort the members of an object, so their order cannot say which file is which."""
    yaml = [name for name in files if name.endswith((".yaml", ".yml"))]
    first = FLAGS_FILE if FLAGS_FILE in files else yaml[0] if len(yaml) == 1 else next(iter(files))
    return {first: files[first], **files}
