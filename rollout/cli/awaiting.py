"""`status --wait-for`: waits until a rollout is where a script wants it, or until it cannot get there any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rollout.cli.exits import CannotCome, TimedOut
from rollout.cli.looking import Look
from rollout.cli.terminal import Styled, stderr
from rollout.cli.times import instant_words, now_of
from rollout.cli.watching import Changes
from rollout.cli.words import coming_words
from rollout.core.errors import InvalidInput, UnknownFlag
from rollout.core.shares import NOBODY, Share
from rollout.service.words import Document, live_words

OFF = ("killed", "disabled")


@dataclass(frozen=True, slots=True)
class Awaited:
    """`reached` says whether a flag is where it is waited for. It raises CannotCome where it will not be."""

    text: str
    reached: Callable[[Document], bool]


def awaited(text: str) -> Awaited:
    """Reads what stands behind --wait-for. Raises InvalidInput."""
    kind, separator, value = text.partition("=")
    if not separator and kind in _STATES:
        return Awaited(text, _STATES[kind])
    if kind == "stage" and value:
        return Awaited(text, lambda flag: _has_stage(flag, value))
    if kind == "share" and value:
        share = Share.parse(value)
        return Awaited(text, lambda flag: _has_share(flag, share))
    raise InvalidInput(f"{text!r} cannot be waited for", "write done, halted, killed, stage=4, stage=25% or share=5%")


def wait_for(wanted: Awaited, flag: str, seen: Iterable[Look], patience: str) -> Document:
    """The status in which it is reached. Every change until then is told on stderr. Raises CannotCome, TimedOut, and
    InvalidInput for a stage that there never was."""
    status: Document | None = None
    changes = Changes()
    try:
        for look in seen:
            first, status = status is None, look.document
            if first and wanted.text.startswith("stage="):
                _check_stage(status, wanted.text.partition("=")[2])
            for line in changes.of(look):
                stderr().line(Styled(f"{instant_words(now_of(status).isoformat())}  ", "dim"), where(line, status))
            if wanted.reached(status):
                return status
    except UnknownFlag as error:
        if status is None:
            raise
        raise CannotCome(f"{flag} was archived") from error
    raise TimedOut(f"{flag} did not come to {wanted.text} within {patience}", "it goes on without you; wait again")


def where(line: Document, document: Document) -> str:
    """ "payments is rolling, stage 2/6, at 1% of india; next 5% in 3d, ..."."""
    stage, coming = line["stage"], line.get("coming")
    said = f"{line['flag']} is {line['state']}, stage {stage['done']}/{stage['of']}, at {live_words(line)}"
    return f"{said}; next {coming_words(coming, now_of(document))}" if coming else said


def _is_done(flag: Document) -> bool:
    _check_on(flag)
    return bool(flag["stage"]["done"] == flag["stage"]["of"])


def _is_halted(flag: Document) -> bool:
    if flag["state"] == "halted":
        return True
    _check_on(flag)
    if flag["state"] == "done":
        raise CannotCome(f"{flag['flag']} is done: nothing is left to halt")
    return False


def _is_killed(flag: Document) -> bool:
    return bool(flag["state"] == "killed")


_STATES: dict[str, Callable[[Document], bool]] = {"done": _is_done, "halted": _is_halted, "killed": _is_killed}


def _has_stage(flag: Document, stage: str) -> bool:
    _check_on(flag)
    index = _stage_index(flag, stage)
    if index is None:
        raise CannotCome(f"{flag['flag']} has no stage {stage} any more")
    return bool(flag["stage"]["done"] > index)


def _has_share(flag: Document, share: Share) -> bool:
    """Of the audience of the plan's last stage, which is the rollout's own."""
    _check_on(flag)
    last = flag["stages"][-1]
    live = {one["audience"]: Share.parse(one["share"]) for one in flag["live"]}
    if live.get(last["audience"], NOBODY) >= share:
        return True
    if Share.parse(last["share"]) < share:
        raise CannotCome(f"the plan of {flag['flag']} ends at {last['share']} of {last['audience']}")
    return False


def _check_on(flag: Document) -> None:
    if flag["state"] in OFF:
        raise CannotCome(f"{flag['flag']} is {flag['state']}")
    if flag["state"] == "on":
        raise CannotCome(f"{flag['flag']} has no rollout that could move")


def _check_stage(flag: Document, stage: str) -> None:
    if flag["stages"] and _stage_index(flag, stage) is None:
        names = [one["name"] for one in flag["stages"]]
        hint = f"its stages are {', '.join(names)}; or say which by number, from 1 to {len(names)}"
        raise InvalidInput(f"{flag['flag']} has no stage {stage}", hint)


def _stage_index(flag: Document, stage: str) -> int | None:
    """By its name, or by its number from 1 on."""
    names = [one["name"] for one in flag["stages"]]
    if stage in names:
        return names.index(stage)
    return int(stage) - 1 if stage.isascii() and stage.isdigit() and 1 <= int(stage[:9]) <= len(names) else None
