"""A group of commands of which one is meant where none is named: `rollout audit payments` is `rollout audit list
payments`, as it was before there were others.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import click


class WithDefault(click.Group):
    """`default` is meant wherever the first word is no command of the group. What stood before the verb, as in `rollout
    --url=… audit notes`, belongs to the command of the group, where that has use for it."""

    def __init__(self, *arguments: Any, default: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before = list(takewhile(lambda word: word.startswith("--") and "=" in word, args))
        rest = args[len(before) :]
        if not before and rest and rest[0] in ctx.help_option_names:
            return super().parse_args(ctx, args)
        if rest and rest[0] in self.commands:
            name, *rest = rest
        else:
            name = self._default
        known = known_options(self.commands[name])
        kept = [word for word in before if name == self._default or word[2:].partition("=")[0] in known]
        return super().parse_args(ctx, [name, *kept, *rest])


def known_options(command: click.Command) -> set[str | None]:
    """The names of its parameters; of a group, of its commands' too."""
    commands = [command, *command.commands.values()] if isinstance(command, click.Group) else [command]
    return {parameter.name for one in commands for parameter in one.params}
