"""Opens what a recovery needs: this server's copy of the record, and the store itself."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rollout.cli.identity import actor
from rollout.core.chain import BrokenChain
from rollout.core.errors import InvalidInput, StoreUnavailable
from rollout.service.operations import Request
from rollout.service.ports import Stored
from rollout.service.recovering import Recovered, recover
from rollout.stores.disk import last_snapshot
from rollout.stores.embedded import EmbeddedStore
from rollout.stores.redis import RedisFlagStore, connect
from rollout.stores.segments import RECORD_FOLDER, read_kept, read_segments

PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class DiskCopy:
    """What a server has in its data folder."""

    data_dir: Path

    def lines(self) -> list[bytes]:
        return list(read_segments(self.data_dir / RECORD_FOLDER))

    def blob(self, digest: str) -> bytes | None:
        return read_kept(self.data_dir / RECORD_FOLDER, digest)

    def newest(self) -> Stored | None:
        return last_snapshot(self.data_dir)


def recover_store(data_dir: Path, redis_url: str | None, namespace: str, reason: str, *, accept: bool) -> Recovered:
    """Raises InvalidInput where there is no copy, and what `recover` raises."""
    if not (data_dir / RECORD_FOLDER).is_dir():
        raise InvalidInput(f"there is no record in {data_dir}", "name the data folder of the service with --data-dir")
    url = redis_url or EmbeddedStore(data_dir / "store").url
    store = RedisFlagStore(url, namespace, lambda address, least: connect(address, max(least, PATIENCE)))
    with closing(store):
        try:
            return recover(store, DiskCopy(data_dir), Request(actor(), reason), accept=accept)
        except BrokenChain as broken:
            raise StoreUnavailable(
                f"this copy of the record does not hold: {broken}", "recover from another server's copy"
            ) from broken
