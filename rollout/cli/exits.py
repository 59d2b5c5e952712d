"""How a command ends: the one table of exit codes, the errors that only a command line has, and which error ends with
which code. Scripts branch on these numbers: a number keeps its meaning for ever.
"""

from __future__ import annotations

from enum import IntEnum

from rollout.core.errors import (
    InvalidInput,
    NotAllowed,
    NotYet,
    RefusedByRule,
    RevisionConflict,
    RolloutError,
    StoreUnavailable,
    UnknownChange,
    UnknownFlag,
    UnknownKey,
)


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERENCE = 3
    NOT_ALLOWED = 4
    CONFLICT = 5
    TIMED_OUT = 6
    REFUSED = 7
    CANNOT_COME = 8


OFF = Exit.DIFFERENCE
"""`explain --test` shares the code of `plan --exit-code`: nothing went wrong, and the answer is not the usual one."""

INTERRUPTED = 128 + 2  # as a shell says it: ended by SIGINT

MEANING: dict[Exit, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "failed: the service or its store cannot be reached, or something unexpected",
    Exit.USAGE: "wrong usage, no such flag, or an invalid file; nothing was changed",
    Exit.DIFFERENCE: "there is a difference (`plan --exit-code`), the file lags (`pull --check`), "
    "or the flag is off (`explain --test`)",
    Exit.NOT_ALLOWED: "not allowed to do this",
    Exit.CONFLICT: "conflict: the state moved since it was looked at; nothing was changed",
    Exit.TIMED_OUT: "timed out: whether it was done is not known; or `status --wait-for` did not see it in time",
    Exit.REFUSED: "refused by a rule: locked, a guard that fails, beyond the plan; or it waits for somebody's approval",
    Exit.CANNOT_COME: "the awaited state cannot come any more (`status --wait-for`)",
}


class Unreachable(RolloutError):
    """Nobody answers at the address; nothing was changed."""

    code = "unreachable"


class TimedOut(RolloutError):
    """No answer in time, and what was asked for may still have been done; or what was waited for did not come."""

    code = "timed_out"


class CannotCome(RolloutError):
    """What was waited for will not be, as things stand."""

    code = "cannot_come"


class SecretLost(RolloutError):
    """A key was made, and nobody was told its secret."""

    code = "secret_lost"


class Declined(RolloutError):
    """Whoever was asked did not say yes."""

    code = "declined"


_EXIT_OF: dict[type[RolloutError], Exit] = {
    RolloutError: Exit.FAILED,
    InvalidInput: Exit.USAGE,
    UnknownFlag: Exit.USAGE,
    UnknownKey: Exit.USAGE,
    UnknownChange: Exit.USAGE,
    NotAllowed: Exit.NOT_ALLOWED,
    RevisionConflict: Exit.CONFLICT,
    RefusedByRule: Exit.REFUSED,
    StoreUnavailable: Exit.FAILED,
    NotYet: Exit.FAILED,
    TimedOut: Exit.TIMED_OUT,
    CannotCome: Exit.CANNOT_COME,
}


def exit_of(error: RolloutError) -> Exit:
    """The code for this error, or for the nearest class above it that has one."""
    return next(_EXIT_OF[kind] for kind in type(error).__mro__ if kind in _EXIT_OF)
