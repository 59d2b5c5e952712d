"""The five rules once more, on what is really called: operations and the controller over a store, beside the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given

from rollout.core.changes import served
from rollout.core.errors import RefusedByRule
from rollout.core.plans import no_more_than
from rollout.service.controller import Controller
from rollout.service.follower import Follower
from rollout.service.replay import replay
from rollout.stores.embedded import EmbeddedStore
from rollout.stores.redis import RedisFlagStore
from tests.core import drift_model as model
from tests.core.drift_steps import check_same, flag_of, histories, share_of
from tests.core.promises import promise
from tests.service.servicekit import Place, flag, request

BYSTANDER = flag("wallet", "1%", "100%", locked=True)


class Running(Place):
    """A place with a server that ticks; nothing has to bake."""

    def __post_init__(self) -> None:
        self.flags = (BYSTANDER,)
        super().__post_init__()
        self.controller = Controller(self.store, self.operations, Follower(self.store), "server-1")

    def tick(self) -> None:
        self.controller.follower.follow(timedelta(0))
        self.controller.tick()

    def bring(self, file: model.File, style: dict[str, Any]) -> None:
        bakeless = {name: value for name, value in style.items() if name not in ("bake", "guards")}
        self.load(flag_of(file, bakeless), BYSTANDER)


STEPS: dict[Callable[..., model.Runtime], Callable[..., object]] = {
    model.load: Running.bring,
    model.set_share: lambda place, audience, percent: place.operations.set_share(
        "payments", share_of(percent), request(), audience=audience, beyond_plan=True
    ),
    model.tick: Running.tick,
    model.halt: lambda place: place.operations.halt("payments", request()),
    model.resume: lambda place: place.operations.resume("payments", request()),
    model.kill: lambda place: place.operations.kill("payments", request()),
    model.revive: lambda place: place.operations.revive("payments", request()),
}


@promise(250)
@given(histories)
def test_a_flag_in_memory_moves_as_the_model_says(history: list[Any]) -> None:
    check_history(Running(), history)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path_factory.mktemp("store")) as store:
        yield store


@promise(40)
@given(histories)
def test_a_flag_on_a_real_server_moves_as_the_model_says(server: EmbeddedStore, history: list[Any]) -> None:
    store = RedisFlagStore(server.url, namespace=uuid4().hex)
    check_history(Running(store=store), history)
    store.close()


def check_history(place: Running, history: list[Any]) -> None:
    """Step by step, beside the model."""
    state = model.Runtime()
    untouched = place.record("wallet")
    for step, *arguments in history:
        if state.applied is None and step is not model.load:
            continue
        place.now_ms += 1000
        had = served(place.state().records.get("payments"))
        revision = place.store.revision()
        try:
            STEPS[step](place, *arguments)
        except RefusedByRule:
            assert place.store.revision() == revision
            continue
        state = _modelled(step, state, arguments)
        record = place.record()
        check_same(record.progress, state)
        assert {name: share.percent for name, share in served(record).items()} == model.served(state)
        if step is model.load:
            assert no_more_than(served(record), had)
    assert place.record("wallet") == untouched
    assert replay(place.lines(), place.store.blob) == place.state()


def _modelled(step: Any, state: model.Runtime, arguments: list[Any]) -> model.Runtime:
    """The model knows nothing of what a file says besides."""
    return model.load(arguments[0], state) if step is model.load else step(state, *arguments)


def test_the_same_file_a_restart_and_another_server_change_nothing() -> None:
    place = Running()
    place.load(flag("payments", "employees", "1%", "100%"), BYSTANDER)
    place.tick()
    before = place.contents()
    place.load(flag("payments", "employees", "1%", "100%"), BYSTANDER)
    Place(now_ms=place.now_ms + 5, store=place.store, flags=(flag("payments", "employees", "1%", "100%"), BYSTANDER))
    assert place.contents() == before


def test_an_edited_percentage_moves_at_the_next_tick_unless_halted() -> None:
    place = Running()
    place.load(flag("payments", "1%"), BYSTANDER)
    place.tick()
    place.load(flag("payments", "2%"), BYSTANDER)
    assert place.live() == {"india": "1%"}
    place.tick()
    assert place.live() == {"india": "2%"}
    place.operations.halt("payments", request())
    place.load(flag("payments", "3%"), BYSTANDER)
    place.tick()
    assert place.live() == {"india": "2%"}
    place.operations.resume("payments", request())
    place.tick()
    assert place.live() == {"india": "3%"}
    place.load(flag("payments", "2.5%"), BYSTANDER)
    assert place.live() == {"india": "2.5%"}
