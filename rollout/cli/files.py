"""The flags file on this machine, and what goes to the service: its text, and the member lists that it names."""

from __future__ import annotations

from pathlib import Path

from rollout.core.definitions import FlagFile
from rollout.core.members import member_lines
from rollout.yaml_files.reader import read_file


def read_local(file: str) -> FlagFile:
    """Raises InvalidFile with all of its problems, also where there is no such file."""
    return read_file(Path(file))


def to_send(file: FlagFile) -> dict[str, str]:
    """Names and texts: the flags file first, then the member lists, exactly as they were checked."""
    segments = file.definitions.segments.values()
    lists = [segment.members for segment in segments if segment.members]
    texts = {members.file: member_lines(file.members[members.digest]).decode() for members in lists}
    return {Path(file.name).name: file.text} | {
        name: "\n".join(filter(None, text.split("\n"))) for name, text in texts.items()
    }


def flag_line(file: FlagFile, flag: str) -> str | None:
    """ "flags.yaml:41", where the flag is written."""
    line = file.lines.get(f"flags.{flag}")
    return f"{file.name}:{line}" if line else None
