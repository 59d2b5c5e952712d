"""Tells what came of verifying a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rollout.cli.exits import Exit
from rollout.cli.terminal import Styled, stderr, stdout
from rollout.core.chain import place_text

if TYPE_CHECKING:
    from rollout.service.verifying import Verified


def tell_export(faults: Sequence[str], as_json: bool) -> int:
    """The exit code."""
    if as_json:
        stdout().json({"schema_version": 1, "ok": not faults, "faults": list(faults)})
    for fault in () if as_json else faults:
        stderr().line(Styled("not as it was: ", "strong red"), fault)
    if not faults and not as_json:
        stdout().line("all holds")
    return Exit.FAILED if faults else Exit.DONE


def tell_verified(verified: Verified, as_json: bool, *, compared: bool) -> int:
    """The exit code. `compared`: the key was, with the one that was handed over."""
    chain = verified.chain
    if as_json:
        stdout().json(
            {
                "schema_version": 1,
                "ok": not verified.faults,
                "entries": chain.size,
                "last": place_text(chain.place),
                "hash": chain.hash,
                "root": chain.root,
                "anchors": verified.anchors,
                "key_compared": compared,
                "replayed_to": verified.replayed_to,
                "first_bad": verified.first_bad,
                "faults": list(verified.faults),
            }
        )
        return Exit.FAILED if verified.faults else Exit.DONE
    for fault in verified.faults:
        stderr().line(Styled("not as it was: ", "strong red"), fault)
    if verified.faults:
        if verified.first_bad:
            stderr().line(Styled("first bad entry: ", "bold"), verified.first_bad)
        return Exit.FAILED
    state = "" if verified.replayed_to is None else f"; they give the state in force at {verified.replayed_to}"
    stdout().line(f"{chain.size} entries up to {place_text(chain.place)}, {verified.anchors} anchors: all holds{state}")
    if not compared:
        stdout().line("the key was not compared: give the one that `rollout audit key` printed at first, with --key")
    return Exit.DONE
