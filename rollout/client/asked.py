"""How each flag is asked: as it was compiled at first, and by a function of its own, written out, once it was asked
often. A reload makes nothing here, and a flag that did not change keeps what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollout.client.editions import Edition
from rollout.client.reading import Reader
from rollout.client.writing import Look, as_compiled, written
from rollout.core.evaluation import Answer, Evaluate

OFTEN = 200
"""Times that a flag is asked before it is written out, which takes as long as some 50 answers, and as some 500 where it
is the first of its shape."""


class Asked(dict[str, Look]):
    """By flag; made as flags are asked, by any thread. Raises KeyError for a flag that does not exist."""

    def __init__(self, flags: Mapping[str, Evaluate], edition: Edition, reader: Reader) -> None:
        super().__init__()
        self._written: dict[str, Look] = {}
        self._flags = flags
        self._edition = edition
        self._reader = reader

    def keep(self, before: Asked) -> None:
        """What `before` has written out of flags that are the very ones here."""
        if before._reader is self._reader:
            self._written = {key: look for key, look in before._written.copy().items() if self._is_as_in(before, key)}
            self.update(self._written)

    def _is_as_in(self, before: Asked, key: str) -> bool:
        flag = self._flags.get(key)
        return flag is not None and flag is before._flags.get(key)

    def __missing__(self, key: str) -> Look:
        look = self[key] = self._until_often(key, self._flags[key])
        return look

    def _until_often(self, key: str, flag: Evaluate) -> Look:
        are_right = self._reader.are_right
        left = OFTEN

        def look(attributes: Mapping[str, Any]) -> Answer | None:
            nonlocal left
            left -= 1
            if left < 0:
                self._write_out(key, flag)
            return flag(attributes) if are_right(attributes) else None

        return look

    def _write_out(self, key: str, flag: Evaluate) -> None:
        try:
            look = self._written_out(key, flag)
        except Exception:  # whatever kind of flag it is
            look = None
        self[key] = look or as_compiled(flag, self._edition, self._reader)
        if look is not None:
            self._written[key] = look

    def _written_out(self, key: str, flag: Evaluate) -> Look | None:
        """None where a test put another in its place, or admissions alone do not decide. Raises CannotBeWritten."""
        evaluator = self._edition.evaluator
        plain = evaluator.plain.get(key)
        if plain is None or evaluator.flags.get(key) is not flag:
            return None
        return written(plain, self._edition, self._reader)
