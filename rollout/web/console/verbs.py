"""What can be done to a flag from a page, in words, and when it is offered. What is not possible the desk refuses, with
its reason; what is offered is only what would be of use.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollout.service.answers import Answer
from rollout.service.desk import Desk
from rollout.service.operations import Request
from rollout.service.words import Document
from rollout.web.console.words import has_rollout


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: a stage for advance and rollback, a share (of an audience) for set, a value for resume."""

    to: str = ""
    share: str = ""
    audience: str = ""
    value: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Target:
        return cls(*(fields.get(name, "").strip() for name in ("to", "share", "audience", "value")))


@dataclass(frozen=True, slots=True)
class Verb:
    name: str
    title: str
    promise: str  # what it does, to whom
    tone: str  # stop, calm or go: how its button looks
    act: Callable[[Desk, str, Request, Target], Answer]
    fields: tuple[str, ...] = ()


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "halt",
            "Halt",
            "Stops it where it stands: nobody new gets it, those who have it keep it.",
            "stop",
            lambda desk, flag, request, _: desk.halt(flag, request),
        ),
        Verb(
            "kill",
            "Kill",
            "Off for everyone, now. It stays off until somebody revives it.",
            "stop",
            lambda desk, flag, request, _: desk.kill(flag, request),
        ),
        Verb(
            "rollback",
            "Roll back",
            "Back to an earlier stage, and held there. Those who came later lose it.",
            "stop",
            lambda desk, flag, request, target: desk.rollback(flag, request, to=target.to or None),
            ("to",),
        ),
        Verb(
            "advance",
            "Advance",
            "On to the next stage now, baked or not; this also approves it.",
            "go",
            lambda desk, flag, request, target: desk.advance(flag, request, to=target.to or None),
            ("to",),
        ),
        Verb(
            "set",
            "Set",
            "To a share of your choice, and held there.",
            "go",
            lambda desk, flag, request, target: desk.set(flag, target.share, request, audience=target.audience or None),
            ("share", "audience"),
        ),
        Verb(
            "resume",
            "Resume",
            "It moves by itself again, and its guards begin anew.",
            "go",
            lambda desk, flag, request, target: desk.resume(flag, request, value=target.value or None),
            ("value",),
        ),
        Verb(
            "revive",
            "Revive",
            "Lifts the kill: those who had it have it again. It stays halted until somebody resumes it.",
            "go",
            lambda desk, flag, request, _: desk.revive(flag, request),
        ),
    )
}


def offered(flag: Document) -> list[Verb]:
    """Stops first: they are what is looked for in a hurry."""
    return [VERBS[name] for name in _names(flag)]


def _names(flag: Document) -> list[str]:
    if flag["state"] == "killed":
        return ["revive"]
    if not has_rollout(flag):
        return ["kill"]
    done, of = flag["stage"]["done"], flag["stage"]["of"]
    names = ["kill"] if flag.get("halted") else ["halt", "kill"]
    names += ["rollback"] if done else []
    names += ["resume"] if flag.get("halted") else []
    names += ["advance"] if done < of and not (flag["locked"] or flag.get("halted")) else []
    return [*names, "set"]


def command(verb: Verb, flag: str, target: Target, reason: str) -> str:
    """The command that does the same from a terminal."""
    words = ["rollout", verb.name, flag]
    words += [target.share] if verb.name == "set" else []
    options = {"--audience": target.audience, "--to": target.to, "--value": target.value}
    for option, value in options.items():
        words += [option, value] if value else []
    return shlex.join([*words, "--reason", reason or "…"])
