"""Who owns what: the file is the path, Redis is the position on it. A reference model of the five rules in
../design.md section 4, small enough to read, checked over random histories.

    python drift_model.py        (needs hypothesis)

A plan is a list of (audience, percent) steps that never falls for one audience. Exposure is what people get now:
{audience: percent}. Compare the real `operations` and `controller` with this model step by step in the tests.
"""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st


@dataclass(frozen=True)
class File:
    """What flags.yaml says of one flag."""

    enabled: bool
    steps: tuple


@dataclass(frozen=True)
class Runtime:
    """What Redis remembers of it."""

    exposure: dict = field(default_factory=dict)
    halted: bool = False
    killed: bool = False
    applied: File | None = None


def ceiling(file):
    top = {}
    for audience, percent in file.steps:
        top[audience] = max(top.get(audience, 0), percent)
    return top


def served(state):
    if state.killed or not (state.applied and state.applied.enabled):
        return {}
    return state.exposure


def load(file, state):
    """A new version of the file was read."""
    before = state.applied
    if before == file:
        return state
    exposure = state.exposure
    if file.enabled and not (before and before.enabled):
        exposure = {}  # switched on: a new run, from nothing
    elif before and before.steps != file.steps:
        top = ceiling(file)  # the plan is a ceiling
        exposure = {a: min(p, top[a]) for a, p in exposure.items() if a in top}
    return replace(state, exposure=exposure, applied=file)


def tick(state):
    """The stage has baked and every guard is healthy: one step, to the first not yet covered."""
    if state.halted or state.killed or not (state.applied and state.applied.enabled):
        return state
    for audience, percent in state.applied.steps:
        if state.exposure.get(audience, 0) < percent:
            return replace(state, exposure={**state.exposure, audience: percent})
    return state


def set_share(state, audience, percent):
    """A person says how far. Raising also admits what the plan has before that point, such as the employees."""
    exposure = {**state.exposure, audience: percent}
    if state.applied and percent > state.exposure.get(audience, 0):
        for earlier, share in state.applied.steps:
            if earlier == audience and share >= percent:
                break
            if earlier != audience:
                exposure[earlier] = max(exposure.get(earlier, 0), share)
    return replace(state, exposure={a: p for a, p in exposure.items() if p}, halted=True)


def halt(state):
    return replace(state, halted=True)


def resume(state):
    return replace(state, halted=False)


def kill(state):
    return replace(state, killed=True)


def revive(state):
    return replace(state, killed=False, halted=True)


AUDIENCES = ("employees", "india")


@st.composite
def files(draw):
    reached, steps = {}, []
    for _ in range(draw(st.integers(1, 5))):
        audience = draw(st.sampled_from(AUDIENCES))
        low = reached.get(audience, 0)
        percent = draw(st.integers(low + 1, 100)) if low < 100 else 100
        reached[audience] = percent
        steps.append((audience, percent))
    return File(draw(st.booleans()), tuple(steps))


def no_more(after, before):
    return all(percent <= before.get(audience, 0) for audience, percent in after.items())


events = st.one_of(
    st.tuples(st.just(load), files()),
    st.tuples(st.just(set_share), st.sampled_from(AUDIENCES), st.integers(0, 100)),
    *(st.tuples(st.just(f)) for f in (tick, halt, resume, kill, revive)),
)


@settings(max_examples=20_000, deadline=None)
@given(st.lists(events, max_size=25))
def test_the_file_never_raises_and_never_lifts(history):
    state = Runtime()
    for do, *arguments in history:
        before, had = state, served(state)
        if do is load:
            (file,) = arguments
            state = load(file, state)
            has = served(state)
            assert no_more(has, had)  # rule 1
            assert (state.halted, state.killed) == (before.halted, before.killed)  # rule 2
            assert load(file, state) == state  # rule 3: a restart is nothing
            if before.applied and before.applied.enabled and file == replace(before.applied, enabled=True):
                assert has == had
            if before.applied and before.applied.steps != file.steps:
                assert no_more(has, ceiling(file))  # rule 4
        else:
            state = do(state, *arguments)
            has = served(state)
        if do is tick and (before.halted or before.killed):
            assert has == had
        if do is kill:
            assert has == {}
        if do is halt:
            assert has == had


if __name__ == "__main__":
    test_the_file_never_raises_and_never_lifts()
    print("20,000 histories: every rule held")
