"""What the drift model's files and shares are in our own words, and the histories that both live through.
A history is a list of (what the model does, arguments); each of our sides says in one line how it does the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from rollout.core.flags import Flag
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import Progress, Stop
from rollout.core.shares import Share
from tests.core import drift_model as model

STOP = Stop("amit", datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "why")
STYLES = (  # what a file may say besides, and that moves nobody
    {"description": "Pay"},
    {"description": "Pay a person", "owner": "new@example.com", "tags": ("growth",)},
    {"stage_name": "step", "bake": timedelta(days=7)},
    {"stage_name": "other", "guards": ("upi-failures",)},
)


def _events(files: list[model.File]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    verbs = (model.tick, model.tick, model.halt, model.resume, model.kill, model.revive)
    one = st.one_of(
        st.tuples(st.just(model.load), st.sampled_from(files), st.sampled_from(STYLES)),
        st.tuples(st.just(model.load), st.sampled_from(files), st.sampled_from(STYLES)),
        st.tuples(st.just(model.set_share), st.sampled_from(model.AUDIENCES), st.integers(0, 100)),
        st.sampled_from([(verb,) for verb in verbs]),
    )
    return st.lists(one, max_size=25)


# A few files only, so that histories come back to them, also in another style.
histories = st.lists(model.files(), min_size=1, max_size=3).flatmap(
    lambda files: _events([*files, replace(files[0], enabled=True), replace(files[0], enabled=False)])
)


def flag_of(file: model.File, style: dict[str, Any], key: str = "payments") -> Flag:
    style = dict(style)
    name, bake = style.pop("stage_name", "stage"), style.pop("bake", timedelta(0))
    guards = style.pop("guards", ())
    stages = tuple(
        Stage(f"{name}-{number}", audience, share_of(percent), bake)
        for number, (audience, percent) in enumerate(file.steps)
    )
    words = {"description": "d", "owner": "o", **style}
    return Flag(key, **words, enabled=file.enabled, salt=key, rollout=Rollout("india", stages, guards, bake))


def share_of(percent: int) -> Share:
    return Share(Fraction(percent))


def check_same(progress: Progress, state: model.Runtime) -> None:
    assert {audience: share.percent for audience, share in progress.exposure.items()} == state.exposure
    assert bool(progress.halted) == state.halted
    assert bool(progress.killed) == state.killed
