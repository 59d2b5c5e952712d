"""What a flags file would change, or has changed, flag by flag: the text that `plan` and `apply` share."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.cli.approvals import takes_more
from rollout.cli.files import flag_line
from rollout.cli.terminal import Part, Styled, Terminal
from rollout.core.definitions import FlagFile
from rollout.service.words import Document, move_words, plural, raised

_SIGNS = {"add": ("+", "green"), "edit": ("~", "yellow"), "drop": ("-", "red")}


def differs(answer: Document, file: FlagFile) -> bool:
    """Whether applying would write anything. What the file says of attributes and segments counts as well."""
    return bool(answer["flags"] or answer["archived"] or answer["file"]["in_force"] != file.digest)


def tell_differences(terminal: Terminal, answer: Document, file: FlagFile) -> None:
    for flag in answer["flags"]:
        if flag["flag"] not in answer["archived"]:
            _tell_flag(terminal, flag, file)
    for key in answer["archived"]:
        terminal.line("  ", Styled(f"- {key}", "red"), "  archived, for good: its key is never used again")
    going_on = [key for key in answer["not_in_file"] if key not in {flag["flag"] for flag in answer["flags"]}]
    if going_on:
        terminal.line("  ", Styled(f"not in the file, going on as they were: {', '.join(going_on)}", "dim"))
    terminal.line(summary(answer, file))
    for line in () if answer["changed"] else takes_more(answer):
        terminal.line("  ", Styled(line, "yellow"))


def summary(answer: Document, file: FlagFile) -> str:
    if not differs(answer, file):
        return f"no difference: {file.name} is in force since revision {answer['file']['revision']}"
    changes = [flag["change"] for flag in answer["flags"] if flag["flag"] not in answer["archived"]]
    done = answer["changed"]
    counts = {
        "added" if done else "to add": changes.count("add"),
        "changed" if done else "to change": changes.count("edit"),
        "no longer in the file": changes.count("drop"),
        "archived" if done else "to archive": len(answer["archived"]),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return said or f"no flag changes; {file.name} differs in something else"


def gains(answer: Document) -> list[str]:
    """Who gets something by it, flag by flag."""
    return [f"{flag['flag']}: {move_words(move)}" for flag in answer["flags"] for move in raised(flag["moves"])]


def _tell_flag(terminal: Terminal, flag: Document, file: FlagFile) -> None:
    sign, style = _SIGNS.get(flag["change"], ("?", "bold"))
    where = flag_line(file, flag["flag"])
    name: list[Part] = ["  ", Styled(f"{sign} {flag['flag']}", style)]
    terminal.line(*name, *([Styled(f"  {where}", "dim")] if where else []))
    for said in _particulars(flag):
        terminal.line("      ", said)


def _particulars(flag: Document) -> Iterator[str]:
    if flag["change"] == "drop":
        yield "not in the file; goes on as it was (--prune archives it)"
    for move in flag["moves"]:
        yield f"{move_words(move)}, at once"
    if not flag["moves"] and flag["change"] != "drop":
        yield _at_once(flag["state"])
    for reason in flag["held_back"]:
        yield f"held back: {reason}"


def _at_once(state: str) -> str:
    if state == "on":
        return "served at once as the file says"
    return f"nobody gains or loses by it now; it is {state}"


def flags_in(file: FlagFile) -> str:
    definitions = file.definitions
    return f"{plural(len(definitions.flags), 'flag')}, {plural(len(definitions.segments), 'segment')}"
