"""State and its parts as the bytes that a store keeps, and back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from rollout.core.definitions import Definitions, FlagFile
from rollout.core.documents import flag_document, read_flag, read_record, read_shared, record_document, shared_document
from rollout.core.errors import StoreUnavailable
from rollout.core.members import digest_of
from rollout.core.progress import FlagRecord, State
from rollout.core.watch_documents import read_watch, watch_document
from rollout.core.watching import Watch
from rollout.service.ports import Stored


def encode_record(record: FlagRecord) -> bytes:
    return orjson.dumps(record_document(record))


def decode_record(document: bytes) -> FlagRecord:
    return read_record(orjson.loads(document))


def encode_shared(state: State) -> bytes:
    return orjson.dumps(shared_document(state))


def keys_alone(shared: bytes | None) -> bytes | None:
    """Of what belongs to no single flag, the callers' keys and nothing else."""
    if shared is None:
        return None
    keys = orjson.loads(shared).get("keys", [])
    return orjson.dumps(shared_document(State()) | {"keys": keys})


def decode_state(stored: Stored) -> State:
    """The state as stored, with those flags that were read."""
    if stored.shared is None:
        return State(revision=stored.revision)
    records = {key: decode_record(document) for key, document in stored.flags.items()}
    return read_shared(orjson.loads(stored.shared), stored.revision, records)


def encode_watch(watch: Watch) -> bytes:
    return orjson.dumps(watch_document(watch))


def decode_watch(document: bytes) -> Watch:
    return read_watch(orjson.loads(document))


def encode_answer(answer: dict[str, Any]) -> bytes:
    return orjson.dumps(answer)


def decode_answer(answer: bytes) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(answer)
    return document


def pack_json(document: object) -> tuple[str, bytes]:
    """Compressed JSON and the address to keep it under."""
    content = zlib.compress(orjson.dumps(document), 6)
    return digest_of(content), content


def unpack_json(content: bytes) -> Any:
    return orjson.loads(zlib.decompress(content))


def pack_definitions(definitions: Definitions) -> tuple[str, bytes]:
    """All that a version of the file defines, for the record."""
    shared = shared_document(State(definitions=definitions))
    flags = [flag_document(flag) for flag in definitions.flags.values()]
    return pack_json({"shared": shared, "flags": flags})


def unpack_definitions(content: bytes) -> Definitions:
    document = unpack_json(content)
    shared = read_shared(document["shared"], 0, {}).definitions
    flags = [read_flag(flag) for flag in document["flags"]]
    return replace(shared, flags={flag.key: flag for flag in flags})


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Under which addresses a version of the file is kept, and everything to keep."""

    text: str
    lines: str
    definitions: str
    blobs: dict[str, bytes]

    @classmethod
    def at(cls, addresses: Mapping[str, str]) -> KeptFile:
        """Without its content, which is kept already."""
        return cls(addresses["text"], addresses["lines"], addresses["definitions"], {})


def file_blobs(file: FlagFile) -> KeptFile:
    text, packed_text = pack_json(file.text)
    lines, packed_lines = pack_json(dict(file.lines))
    definitions, packed_definitions = pack_definitions(file.definitions)
    blobs = {text: packed_text, lines: packed_lines, definitions: packed_definitions, **file.members}
    return KeptFile(text, lines, definitions, blobs)


def read_kept_file(name: str, digest: str, kept: KeptFile, blob: Callable[[str], bytes | None]) -> FlagFile:
    """A version of the file as it was kept. Raises StoreUnavailable where a part of it is not."""

    def content(address: str) -> Any:
        packed = blob(address)
        if packed is None:
            raise StoreUnavailable(f"the store has no content {address[:12]}", "propose the file anew")
        return packed

    definitions = unpack_definitions(content(kept.definitions))
    lists = {segment.members.digest for segment in definitions.segments.values() if segment.members}
    return FlagFile(
        name=name,
        digest=digest,
        text=unpack_json(content(kept.text)),
        definitions=definitions,
        members={one: content(one) for one in lists},
        lines=unpack_json(content(kept.lines)),
    )
