"""`set` moves a rollout along its plan by hand. Its percentage carries its unit: 5 could be meant as 5% or as all."""

from __future__ import annotations

import re

import click

from rollout.cli.changing import change_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, flag_argument, raising
from rollout.core.shares import Share

_NEGATIVE = re.compile(r"-[\d.]+%?")
_TAKE_TEXT = ("-m", "--reason")


class _Set(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for before, word in zip(["", *args], args, strict=False):
            if _NEGATIVE.fullmatch(word) and before not in _TAKE_TEXT:
                Share.parse(word)  # which click would take for an option
        return super().parse_args(ctx, args)


@click.command(cls=_Set)
@flag_argument
@click.argument("share")
@click.option("--audience", help="Whose share it is.  [default: the rollout's own audience]")
@click.option("--beyond-plan", is_flag=True, help="Go further than the last stage in the file.")
@raising
@click.pass_obj
def command(
    open_desk: OpenDesk,
    *,
    flag: str,
    share: str,
    audience: str | None,
    beyond_plan: bool,
    address: Address,
    intent: Intent,
) -> None:
    """Give a flag to a share of its audience, and hold there.

    SHARE carries its unit: 1%, 0.5%. Raising also admits the stages before that point, such as the employees; lowering
    takes the flag only from those above it. The rollout is halted there until it is resumed.
    """
    Share.parse(share)
    with desk_for(open_desk, address, flag) as desk:
        change_flag(
            desk,
            flag,
            lambda request: desk.set(flag, share, request, audience=audience, beyond_plan=beyond_plan),
            intent,
        )
