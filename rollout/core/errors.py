"""Every error that the product raises on purpose, as one tree. Each class has a `code`; the web maps codes to HTTP
status in one table and the command line maps them to exit codes in another.

    RolloutError
    ├── InvalidInput            what was given cannot be: says what would be right
    │   └── InvalidFile         flags.yaml has problems, all of them at once
    ├── UnknownFlag             no flag has this key
    ├── UnknownKey              no caller's key has this id
    ├── UnknownChange           no change that waits for approval has this id
    ├── NotAllowed              this caller may not do this
    │   └── NotAuthenticated    nobody knows who this caller is
    ├── TooManyRequests         this caller asks more often than was agreed
    ├── RevisionConflict        the state moved while it was being changed
    │   └── OutdatedView        what the caller had seen is no longer so
    ├── RefusedByRule           locked, beyond the plan, dropping half of the flags ...
    ├── StoreUnavailable        the store cannot be reached, or cannot be trusted
    ├── ProviderUnavailable     whoever says who people are cannot be asked
    └── NotYet                  what was asked for takes more time than one answer may; asking again goes on with it
"""

from __future__ import annotations

from dataclasses import dataclass


class RolloutError(Exception):
    """Base of all. `message` says what was wrong; `hint` what would be right."""

    code = "error"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(RolloutError):
    code = "invalid"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where (1-based line and column), the line itself, what, and what would be right."""

    file: str
    line: int
    column: int
    message: str
    hint: str | None = None
    source: str = ""
    severity: str = "error"  # "error" | "warning"

    def __str__(self) -> str:
        said = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        return f"{said}; {self.hint}" if self.hint else said


class InvalidFile(InvalidInput):
    code = "invalid_file"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = len(problems)
        super().__init__("\n".join(map(str, problems[:3])) + (f"\n(and {count - 3} more)" if count > 3 else ""))
        self.problems = problems


class UnknownFlag(RolloutError):
    code = "unknown_flag"


class UnknownKey(RolloutError):
    code = "unknown_key"


class UnknownChange(RolloutError):
    code = "unknown_change"


class NotAllowed(RolloutError):
    code = "not_allowed"


class NotAuthenticated(NotAllowed):
    code = "not_authenticated"


class TooManyRequests(RolloutError):
    """`retry_after`: seconds until asking again has a chance."""

    code = "too_many_requests"

    def __init__(self, message: str, hint: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class RevisionConflict(RolloutError):
    code = "conflict"


class OutdatedView(RevisionConflict):
    """Trying again with the same revision cannot help: look again first."""


class RefusedByRule(RolloutError):
    code = "refused"


class StoreUnavailable(RolloutError):
    code = "store_unavailable"


class ProviderUnavailable(RolloutError):
    code = "provider_unavailable"


class NotYet(RolloutError):
    code = "not_yet"
