"""A terminal whose whole screen is ours for a while, drawn anew without flicker: each frame is written in one piece
over the one before. What was on the screen comes back at the end.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rollout.cli.terminal import Terminal

_BEGIN = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # another screen, no cursor, no wrapping of lines
_END = "\x1b[?7h\x1b[?25h\x1b[?1049l"

Draw = Callable[[Terminal], None]


class _Frame(io.StringIO):
    """Takes what is drawn, as the terminal would."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Screen:
    """Of stdout. `draw` what shall be seen now."""

    def __enter__(self) -> Self:
        self._write(_BEGIN)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._write(_END)

    def draw(self, draw: Draw) -> None:
        lines = rendered(draw).split("\n")[:-1]
        room = shutil.get_terminal_size().lines - 1
        if len(lines) > room:
            lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more lines"]
        self._write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()


def rendered(draw: Draw) -> str:
    frame = _Frame()
    frame.encoding = sys.stdout.encoding
    draw(Terminal(frame))
    return frame.getvalue()


def can_redraw() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
