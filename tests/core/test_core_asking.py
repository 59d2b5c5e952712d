"""What an answer depends on: nothing else can change it."""

from __future__ import annotations

from hypothesis import given

from rollout.core.asking import attributes_asked
from rollout.core.progress import State
from tests.core.promises import promise
from tests.core.strategies import compiled, contexts, states


@promise(300)
@given(states, contexts)
def test_what_a_flag_does_not_ask_for_cannot_change_its_answer(state: State, context: dict[str, object]) -> None:
    evaluator = compiled(state)
    for key, flag in evaluator.flags.items():
        asked = attributes_asked(key, evaluator.ruleset)
        assert flag({name: value for name, value in context.items() if name in asked}) is flag(context)  # type: ignore[arg-type]
