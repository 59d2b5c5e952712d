"""Closed by default: a service without keys is open to whoever reaches it, so nobody but its own machine may. Before it
listens on any other address it looks whether there are keys: in the store, or, while that is away, in what was kept.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rollout.bootstrap.settings import Address, WebSettings
from rollout.core.errors import InvalidInput, StoreUnavailable
from rollout.core.keys import Keys
from rollout.service.encoding import decode_state
from rollout.stores.disk import DiskSnapshot
from rollout.stores.redis import RedisFlagStore


def check_reach(settings: WebSettings) -> None:
    """Raises InvalidInput where others could reach a service without keys."""
    reached = [("--bind", settings.bind)]
    if settings.admin is not None:
        reached.append(("--admin-bind", settings.admin))
    if settings.stream is not None:
        reached.append(("--stream-bind", settings.stream.bind))
    open_to_others = [f"{option} {address}" for option, address in reached if not address.is_loopback]
    if not open_to_others or _known_keys(settings):
        return
    raise InvalidInput(
        f"{open_to_others[0]} can be reached from other machines, and there are no keys that would keep others from "
        "changing flags",
        f"make the first key, then start again: {_first_key(settings)}",
    )


def _known_keys(settings: WebSettings) -> Keys:
    try:
        with closing(RedisFlagStore(settings.redis_url, settings.namespace)) as store:
            return decode_state(store.read([])).keys
    except StoreUnavailable:
        kept = DiskSnapshot(Path(settings.data_dir), settings.origin).read()
        return decode_state(kept).keys if kept else {}


def _first_key(settings: WebSettings) -> str:
    """The embedded store ends with this start, so its key is made over a service on this machine."""
    create = "rollout keys create --role admin --name NAME"
    if settings.origin.startswith("embedded "):
        here = Address("127.0.0.1", settings.bind.port)
        return f"`rollout serve --bind {here}`, and meanwhile `{create} --url {here.url}`"
    return f"`{create} --url redis://…`, with the store's own URL"
