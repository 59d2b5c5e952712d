"""The process that holds streams open. It follows the store as workers do, and is the only one that clients stay
connected to: a worker's one thread would be used up by the first of them. It is started by the server process, and ends
with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from rollout.bootstrap.heartbeat import BEAT_EVERY, Heartbeat
from rollout.bootstrap.open_files import allow_many_files
from rollout.bootstrap.parent import end_with
from rollout.bootstrap.settings import WEB_VARIABLE, WebSettings
from rollout.bootstrap.snapshots import start_from_disk
from rollout.bootstrap.stream_address import StreamAddress
from rollout.bootstrap.stream_settings import StreamSettings
from rollout.bootstrap.threads import AFTER_CHANGE, Repeated
from rollout.service.follower import Follower
from rollout.service.gate import Gate
from rollout.service.heads import Heads, kept_head
from rollout.service.key_chores import KeyChores
from rollout.service.snapshot import Snapshot
from rollout.stores.console_secret import console_secret
from rollout.stores.disk import DiskSnapshot
from rollout.stores.redis import RedisFlagStore
from rollout.streams.connection import SPARE, House
from rollout.streams.frames import Head
from rollout.streams.hub import Hub
from rollout.streams.server import open_server
from rollout.telemetry import StreamGauges, configure_logging

log = logging.getLogger(__name__)

OTHER_FILES = 64  # besides connections: the store's, the log, the loop's own


def main() -> None:
    configure_logging(json=not sys.stderr.isatty())
    settings = WebSettings.from_environment()
    assert settings.stream is not None, "streams are off, so nobody starts this"
    del os.environ[WEB_VARIABLE]  # which has the store's password
    end_with(settings.server_pid)
    asyncio.run(_serve(settings, settings.stream))


async def _serve(settings: WebSettings, wanted: StreamSettings) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    house = House(Hub(loop, wanted.heartbeat), cap_that_fits(wanted.cap))
    try:
        server = await open_server(house, wanted.bind.host, wanted.bind.port, _certificate(settings))
    except OSError as error:  # somebody took it since the server process looked
        log.error("streams cannot listen on %s: %s", wanted.bind, error.strerror)
        sys.exit(1)
    with ExitStack() as running:
        _follow(settings, wanted, house, running)
        StreamAddress(Path(settings.data_dir)).announce(wanted.url)
        log.info("streams are on %s", wanted.url)
        await stop.wait()
        server.close()
        house.hub.end()


def _certificate(settings: WebSettings) -> ssl.SSLContext | None:
    """The web's own: a page that came over https opens no stream over http."""
    if settings.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls.cert, settings.tls.key)
    return context


def cap_that_fits(cap: int) -> int:
    """As many streams as asked for, or as the limit of open files leaves; at least one."""
    files = allow_many_files(cap + SPARE + OTHER_FILES)
    fits = max(1, files - SPARE - OTHER_FILES)
    if fits >= cap:
        return cap
    log.warning("%s streams at most, not %s: this process may have %s files open (see `ulimit -n`)", fits, cap, files)
    return fits


def _follow(settings: WebSettings, wanted: StreamSettings, house: House, running: ExitStack) -> None:
    """Returns when the revision is known and everybody can know of us, or when the store does not answer."""
    loop = asyncio.get_running_loop()
    store = RedisFlagStore(settings.redis_url, settings.namespace)
    running.callback(store.close)  # which also ends its waiting for changes

    def changed(snapshot: Snapshot) -> None:
        head = Head(snapshot.revision, snapshot.written_at_ms // 1000)
        loop.call_soon_threadsafe(house.hub.news, head)
        reporting.wake()

    def more() -> dict[str, Any]:
        return {"streams": {"url": wanted.url, "open": house.hub.open, "cap": house.cap}}

    follower = Follower(Heads(store), changed)
    secret = console_secret(Path(settings.data_dir))
    house.gate = Gate(lambda: follower.current.state.keys, open_without_keys=wanted.bind.is_loopback, pages=secret)
    chores = KeyChores(store, house.gate, settings.server_id, time.time)
    heartbeat = Heartbeat(store, follower, kind="stream", server_id=settings.server_id, more=more)
    gauges = StreamGauges(house.hub)

    def report() -> None:
        loop.call_soon_threadsafe(house.end_those_without_keys)
        gauges.flush()
        heartbeat.beat()
        chores.do()

    reporting = Repeated("heartbeat", report, BEAT_EVERY, AFTER_CHANGE)
    if not follower.follow(timedelta(0)):
        start_from_disk(follower, DiskSnapshot(Path(settings.data_dir), settings.origin), kept_head)
    threading.Thread(target=follower.run, args=[threading.Event()], name="follower", daemon=True).start()
    report()
    reporting.start()


if __name__ == "__main__":
    main()
