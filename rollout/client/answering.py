"""Who has a flag, answered in the process that asks: no call over the network, no lock, no waiting, and no exception
whatever is asked. All of it hangs on one tuple that is swapped whole when the ruleset changes.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from rollout.client.asked import Asked
from rollout.client.editions import NOTHING, Edition, changed_flags
from rollout.client.explaining import explain, unexplained
from rollout.client.overriding import overridden
from rollout.client.reading import Reader, reader_of
from rollout.core.attributes import Value
from rollout.core.errors import InvalidInput, RolloutError, UnknownFlag
from rollout.core.evaluation import Answer, Evaluate, Reason
from rollout.core.explanation import Explanation
from rollout.core.flags import TARGETING_ATTRIBUTE

log = logging.getLogger("rollout.client")

Served: TypeAlias = Callable[[str, object], None]
OnChange: TypeAlias = Callable[[frozenset[str]], object]
Listener = TypeVar("Listener", bound=OnChange)


class NotReady(RolloutError):
    code = "not_ready"


@dataclass(frozen=True, slots=True)
class Details:
    """An answer with everything about it, in OpenFeature's words."""

    flag: str
    on: bool
    value: Any  # the default that was given where there is none
    variant: str | None
    reason: str
    because: str  # what decided: "killed", "rule 1", "stage first-million" ...
    revision: int
    stale: bool  # the service could not be asked lately, so this may be out of date
    error_code: str | None = None
    error: str | None = None


class Answering:
    """Answers from the edition that it was given last. Any thread, any event loop, any child process may ask."""

    def __init__(self, edition: Edition = NOTHING) -> None:
        self._edition = edition
        self._overrides: tuple[Mapping[str, object], ...] = ()
        self._served: Served = _nobody_counts  # told of whoever is served what counts, by its name
        self._changing = threading.Lock()
        self._listeners: list[OnChange] = []
        self._reader: Reader = reader_of({})
        self._flags: Mapping[str, Evaluate] = {}
        self._looks = Asked({}, edition, self._reader)
        self._arrange()

    def is_on(self, key: str, /, **attributes: object) -> bool:
        """Whether the flag is on for somebody: `is_on("payments", user_id="u-1", country="IN")`. False for a flag that
        does not exist, for attributes of a wrong type, and before the first ruleset is here."""
        # The shortest way, for what is right as it stands; written out, since a call costs a tenth of it.
        try:
            answer = self._looks[key](attributes)
            if answer is not None:
                if answer.counted:
                    self._served(answer.counted, attributes.get(TARGETING_ATTRIBUTE))
                return answer.on
        except Exception:  # below it is found out what is wrong
            pass
        return self._answered(key, attributes).on

    def value(self, key: str, default: Any = None, /, **attributes: object) -> Any:
        """The value of the variant that is served; `default` where there is none, and where the flag cannot be
        evaluated at all."""
        answer = self._answered(key, attributes)
        return default if answer.value is None else _own(answer.value)

    def variant(self, key: str, /, **attributes: object) -> str | None:
        """The name of the variant that is served."""
        return self._answered(key, attributes).variant

    def details(self, key: str, default: Any = None, /, **attributes: object) -> Details:
        """The answer, why, and how fresh it is. `error_code` is OpenFeature's, where something is wrong."""
        answer = self._answered(key, attributes)
        return Details(
            flag=key,
            on=answer.on,
            value=default if answer.value is None else _own(answer.value),
            variant=answer.variant,
            reason=answer.reason.value,
            because=answer.because,
            revision=self._edition.revision,
            stale=self.stale,
            error_code=answer.error_code,
            error=answer.error,
        )

    def explain(self, key: str, /, **attributes: object) -> Explanation:
        """Why somebody has the flag or not, step by step, as far as the ruleset says: stages that are still to come are
        not in it."""
        edition, answer = self._edition, self._asked(key, attributes)
        try:
            return explain(key, self._reader.read(attributes), edition.evaluator)
        except Exception:  # an unknown flag, attributes of a wrong type
            return unexplained(answer)

    @contextmanager
    def override(self, flags: Mapping[str, object] | None = None, /, **named: object) -> Iterator[None]:
        """For tests: within, these flags answer so for everybody, in all threads: `override(payments=True)`, or a
        variant's name or value where a flag has others than on and off. `_` in a name stands for `-`."""
        mine = {**(flags or {}), **{name.replace("_", "-"): value for name, value in named.items()}}
        with self._changing:
            self._overrides = (*self._overrides, mine)
            self._arrange()
        try:
            yield
        finally:
            with self._changing:
                self._overrides = tuple(one for one in self._overrides if one is not mine)
                self._arrange()

    def on_change(self, listener: Listener) -> Listener:
        """Calls `listener` with the keys of the flags that may answer otherwise, each time that there are any, from a
        thread of the client's. Also as a decorator."""
        self._listeners.append(listener)
        return listener

    @property
    def revision(self) -> int:
        """Number of the state that is answered from."""
        return self._edition.revision

    @property
    def stale(self) -> bool:
        return False

    def _accept(self, edition: Edition) -> None:
        """Answers from this one from now on."""
        before = self._edition
        with self._changing:
            self._edition = edition
            self._arrange()
        changed = changed_flags(before, edition)
        for listener in tuple(self._listeners) if changed else ():
            try:
                listener(changed)
            except Exception:
                log.exception("what listens for changes failed")

    def _arrange(self) -> None:
        edition = self._edition
        flags = edition.evaluator.flags
        for override in self._overrides:
            flags = {**flags, **overridden(edition.evaluator.ruleset, override)}
        if self._reader.attributes is not edition.evaluator.ruleset.attributes:
            self._reader = reader_of(edition.evaluator.ruleset.attributes)
        self._flags = flags
        looks = Asked(flags, edition, self._reader)
        looks.keep(self._looks)
        self._looks = looks

    def _answered(self, key: str, attributes: Mapping[str, object]) -> Answer:
        answer = self._asked(key, attributes)
        if answer.counted:
            self._served(answer.counted, attributes.get(TARGETING_ATTRIBUTE))
        return answer

    def _asked(self, key: str, attributes: Mapping[str, object]) -> Answer:
        """Carefully, and as an answer whatever happens."""
        try:
            flag = self._flags.get(key)
            if flag is None:
                raise self._missing(key)
            return flag(self._reader.read(attributes))
        except UnknownFlag as error:
            return _failed(key, "FLAG_NOT_FOUND", error)
        except NotReady as error:
            return _failed(key, "PROVIDER_NOT_READY", error)
        except InvalidInput as error:
            return _failed(key, "INVALID_CONTEXT", error)
        except Exception as error:  # a mistake of ours, or an object that cannot even be looked at
            return _failed(key, "GENERAL", RolloutError(f"this cannot be evaluated: {type(error).__name__}"))

    def _missing(self, key: str) -> RolloutError:
        if self._edition is NOTHING:
            return NotReady("no ruleset is here yet", "call ready(timeout=...) where the program starts")
        return UnknownFlag(f"no flag called {key!r}", "`rollout status` lists them")


def _nobody_counts(name: str, subject: object) -> None:
    """Where there is no service that would count them."""


def _own(value: Value | Mapping[str, Any]) -> Any:
    """What the caller may change without changing it for everybody."""
    return copy.deepcopy(value) if isinstance(value, dict | list) else value


def _failed(key: str, code: str, error: RolloutError) -> Answer:
    said = f"{error.message}; {error.hint}" if error.hint else error.message
    return Answer(key, False, None, None, Reason.ERROR, "error", code, said)  # type: ignore[arg-type]
