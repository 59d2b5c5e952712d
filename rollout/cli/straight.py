"""The desk without a service: straight on the store, with the same operations that the service carries out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from rollout.cli.exits import TimedOut
from rollout.core.definitions import FlagFile
from rollout.core.errors import StoreUnavailable
from rollout.core.progress import State
from rollout.service.desk import StoreDesk
from rollout.service.encoding import decode_state
from rollout.stores.record_copy import RecordCopy
from rollout.stores.redis import RedisFlagStore, connect
from rollout.stores.segments import RECORD_FOLDER
from rollout.yaml_files.reader import read_text


@contextmanager
def straight_desk(url: str, namespace: str, timeout: float, data_dir: Path | None = None) -> Iterator[StoreDesk]:
    """The desk on the store at `url`. `data_dir`: of the service, if it is on this machine: there is a copy of the
    record, for what the store no longer has. Raises TimedOut where it does not answer within `timeout` seconds."""
    with _store(url, namespace, timeout) as store:
        yield StoreDesk.straight(store, _read, RecordCopy(data_dir / RECORD_FOLDER) if data_dir else None)


@contextmanager
def _store(url: str, namespace: str, timeout: float) -> Iterator[RedisFlagStore]:
    with closing(RedisFlagStore(url, namespace, _waiting(timeout))) as store:
        try:
            yield store
        except StoreUnavailable as error:
            if isinstance(error.__cause__, RedisTimeout):
                raise TimedOut(error.message, error.hint) from error
            raise


def straight_ground(url: str, namespace: str, timeout: float) -> tuple[State, dict[str, bytes]]:
    """The whole state, and the packed member lists that it speaks of, by digest."""
    with _store(url, namespace, timeout) as store:
        state = decode_state(store.read())
        listed = [segment.members.digest for segment in state.definitions.segments.values() if segment.members]
        return state, {digest: _blob(store, digest) for digest in listed}


def _blob(store: RedisFlagStore, digest: str) -> bytes:
    packed = store.blob(digest)
    if packed is None:
        raise StoreUnavailable(f"the store has no member list {digest[:12]}", "apply the file again")
    return packed


def _waiting(timeout: float) -> Callable[[str, timedelta], Redis]:
    """Connections that wait as long as whoever asks is ready to; a server has less time than a person."""
    return lambda url, least: connect(url, max(least, timedelta(seconds=timeout)))


def _read(text: str, name: str, load_members: Callable[[str], bytes]) -> FlagFile:
    return read_text(text, name=name, load_members=load_members)
