"""The corpus: good files, and broken ones with what is said of each in a file of the same name that ends in .txt."""

from __future__ import annotations

from pathlib import Path

from rollout.core.definitions import FlagFile
from rollout.yaml_files.reader import read_text

CORPUS = Path(__file__).parent / "corpus"
GOOD = sorted((CORPUS / "good").glob("*.yaml"))
BROKEN = sorted((CORPUS / "broken").glob("*.yaml"))


def load_members(file: str) -> bytes:
    return (CORPUS / "members" / file).read_bytes()


def read(content: str | bytes) -> FlagFile:
    return read_text(content, load_members=load_members)


def said_of(path: Path) -> str:
    """What the reader is expected to say: errors of a broken file, warnings of a good one."""
    twin = path.with_suffix(".txt")
    return twin.read_text(encoding="utf-8") if twin.exists() else ""
