"""The desk without a service: straight on the store, with the same operations that the service carries out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from rollout.cli.exits import TimedOut
from rollout.core.definitions import FlagFile
from rollout.core.errors import StoreUnavailable
from rollout.service.desk import StoreDesk
from rollout.stores.redis import RedisFlagStore, connect
from rollout.yaml_files.reader import read_text


@contextmanager
def straight_desk(url: str, namespace: str, timeout: float) -> Iterator[StoreDesk]:
    """The desk on the store at `url`. Raises TimedOut where it does not answer within `timeout` seconds."""
    with closing(RedisFlagStore(url, namespace, _waiting(timeout))) as store:
        try:
            yield StoreDesk.straight(store, _read)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, RedisTimeout):
                raise TimedOut(error.message, error.hint) from error
            raise


def _waiting(timeout: float) -> Callable[[str, timedelta], Redis]:
    """Connections that wait as long as whoever asks is ready to; a server has less time than a person."""
    return lambda url, least: connect(url, max(least, timedelta(seconds=timeout)))


def _read(text: str, name: str, load_members: Callable[[str], bytes]) -> FlagFile:
    return read_text(text, name=name, load_members=load_members)
