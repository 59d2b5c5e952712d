"""The server process: takes the data folder, has a store, keeps the flags file in force and the snapshot on disk, and
sees to it that workers answer. Parts stop in the reverse order of their start; then nothing is left running.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from rollout import __version__
from rollout.bootstrap.admin_port import admin_port, admin_server, admin_settings
from rollout.bootstrap.file_keeper import LOOK_EVERY, FileKeeper
from rollout.bootstrap.file_reports import RECORD_REPORT, FileReports
from rollout.bootstrap.heartbeat import BEAT_EVERY, Heartbeat
from rollout.bootstrap.loads import LOOK_EVERY as LOOK_FOR_LOADS_EVERY
from rollout.bootstrap.loads import LoadKeeper
from rollout.bootstrap.memory import collect_seldom
from rollout.bootstrap.port import PortTaken, free_port
from rollout.bootstrap.reach import check_reach
from rollout.bootstrap.ready import all_workers_have, announce_once, answers
from rollout.bootstrap.settings import Address, Settings, WebSettings
from rollout.bootstrap.signals import Interrupted, Signals
from rollout.bootstrap.snapshots import KEEP_EVERY, SnapshotKeeper, start_from_disk
from rollout.bootstrap.stream_address import StreamAddress
from rollout.bootstrap.stream_settings import StreamSettings
from rollout.bootstrap.supervised import Supervised
from rollout.bootstrap.threads import AFTER_CHANGE, JOIN_WITHIN, Repeated
from rollout.core.audit import Actor
from rollout.core.errors import InvalidInput, RevisionConflict, StoreUnavailable
from rollout.service.controller import TICK_EVERY, Controller
from rollout.service.exposed_days import note_days
from rollout.service.file_loader import FileLoader, FileReport, failed_load_document
from rollout.service.follower import Follower
from rollout.service.gathering import Gatherer
from rollout.service.noticing import Notices
from rollout.service.operations import Operations
from rollout.service.shipper import RecordState, Shipper, Standing
from rollout.sources.prometheus import ask_prometheus
from rollout.stores.anchors import Anchors
from rollout.stores.console_secret import console_secret
from rollout.stores.disk import DiskSnapshot, HandledFile, owned
from rollout.stores.embedded import EmbeddedStore
from rollout.stores.redis import RedisFlagStore
from rollout.stores.segments import RECORD_FOLDER, Segments
from rollout.stores.signing import signing_key
from rollout.stores.spool import SPOOL_FOLDER, Spool
from rollout.stores.subjects import fingerprint, subjects_key
from rollout.telemetry import configure_logging
from rollout.web.signed_context import read_context_keys
from rollout.yaml_files.watch import FileWatcher

log = logging.getLogger(__name__)

NOTICE_EVERY = 1.0  # seconds
GATHER_EVERY = 5.0  # seconds: so long after a minute its outcomes are asked for, at the latest
NOTE_DAYS_EVERY = 60.0  # seconds
SHIP_EVERY = 1.0  # seconds, and after each change
SETTLED_WITHIN = 3.0  # seconds
GAVE_UP = "the web server does not come up"


def serve(settings: Settings) -> int:
    """Runs the service until it is told to stop. Raises RolloutError when it cannot start."""
    configure_logging(json=not sys.stderr.isatty())
    collect_seldom()
    with Signals() as signals, ExitStack() as running:
        try:
            _start(settings, signals, running)
        except Interrupted:
            return 0
        why = signals.wait()
        log.info("stopping: %s", why)
        return 1 if why == GAVE_UP else 0


def _start(settings: Settings, signals: Signals, running: ExitStack) -> None:
    folder = settings.data_dir.absolute()
    running.enter_context(owned(folder))
    console_secret(folder)  # workers read it; here it can be said what is wrong with it
    bind = free_port(settings.bind)
    admin = settings.admin and admin_port(settings.admin, bind)
    taken = {bind.port, admin.port} if admin else {bind.port}
    stream = settings.stream and _reachable(_stream_port(settings.stream, taken), encrypted=settings.tls is not None)
    url = settings.redis_url or _embedded_store(folder, running)
    web_settings = WebSettings(
        redis_url=url,
        namespace=settings.namespace,
        origin=settings.origin,
        data_dir=str(folder),
        server_id=f"{socket.gethostname()}:{bind.port}",
        server_pid=os.getpid(),
        bind=bind,
        workers=settings.workers,
        stream=stream,
        context_keys=_context_keys(settings.context_keys),
        cors_origins=settings.cors_origins,
        tls=settings.tls,
        fast_path=settings.fast_path,
        log_in=settings.log_in,
        admin=admin,
    )
    check_reach(web_settings)
    server = Server(web_settings, settings.file)
    server.start(running)
    metrics = _metrics_folder(folder)
    environment = web_settings.to_environment() | metrics
    address = StreamAddress(folder)
    address.withdraw()  # of a run that was killed
    web = Supervised("web server", "rollout.bootstrap.web_process", environment, gave_up=lambda: signals.tell(GAVE_UP))
    running.callback(web.stop, signals.again)
    web.start()
    if (admins := admin_server(web_settings, metrics)) is not None:
        running.callback(admins.stop, signals.again)
        admins.start()
    if stream:
        streams = Supervised("stream server", "rollout.bootstrap.stream_process", environment, ended=address.withdraw)
        running.callback(address.withdraw)
        running.callback(streams.stop, signals.again)
        streams.start()
    _announce(server, web, running)


def _stream_port(wanted: StreamSettings, taken: Collection[int]) -> StreamSettings:
    """Next to the web's port where nobody asked for another; where that is taken, any. `taken`: ports of ours, where
    nobody listens so early. Raises PortTaken."""
    host = wanted.bind.host
    if wanted.bind.port == 0:
        return replace(wanted, bind=_any_port_but(taken, host))
    if wanted.bind.port not in taken:
        try:
            return replace(wanted, bind=free_port(wanted.bind, option="--stream-bind"))
        except PortTaken:
            if wanted.chosen:
                raise
    free = _any_port_but(taken, host)
    log.warning("%s is taken, so streams are on %s; --stream-bind chooses", wanted.bind, free)
    return replace(wanted, bind=free)


def _reachable(stream: StreamSettings, *, encrypted: bool) -> StreamSettings:
    """With the address that clients are told, also where it goes without saying."""
    return replace(stream, url=stream.url or f"{'https' if encrypted else 'http'}://{stream.bind}")


def _any_port_but(taken: Collection[int], host: str) -> Address:
    while (free := free_port(Address(host, 0))).port in taken:
        continue
    return free


def _context_keys(file: Path | None) -> str:
    """What is in the file, which can be read. Raises InvalidInput."""
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"--context-keys {file} cannot be read: {error}", "name a file with a JWK set") from None
    read_context_keys(text)
    return text


def _embedded_store(folder: Path, running: ExitStack) -> str:
    store = EmbeddedStore(folder / "store")
    running.callback(store.stop)
    store.start()
    return store.url


def _metrics_folder(folder: Path) -> dict[str, str]:
    """Where the workers of this run add up what they count; a fresh one, since process numbers are given anew."""
    metrics = folder / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(mode=0o700)
    return {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}


def _announce(server: Server, web: Supervised, running: ExitStack) -> None:
    stop = threading.Event()

    def announce() -> None:
        web.proven = True
        print(server.description(), flush=True)

    running.callback(stop.set)
    threading.Thread(
        target=announce_once, args=[server.ready, announce, stop], name="announcement", daemon=True
    ).start()


class Server:
    """What the server process does beside the workers: follows the store, keeps the snapshot and the file, says that it
    is alive."""

    def __init__(self, settings: WebSettings, file: Path) -> None:
        folder = Path(settings.data_dir)
        self._settings = settings
        self._store = RedisFlagStore(settings.redis_url, settings.namespace)
        self._follower = Follower(self._store, lambda _: self._changed())
        self._kept = DiskSnapshot(folder, settings.origin)
        self._keeper = SnapshotKeeper(self._follower, self._kept, self._store)
        self._notices = Notices(Operations(self._store))
        self._record_reports = FileReports(folder, RECORD_REPORT)
        self._file = FileKeeper(
            file,
            FileWatcher(file),
            self._loader(file),
            FileReports(folder),
            changed=lambda: self._beating.wake(),  # noqa: PLW0108  # which is made below
            failed=self._load_failed,
        )
        self._subjects = fingerprint(subjects_key(folder))
        beat = Heartbeat(self._store, self._follower, kind="server", server_id=settings.server_id, more=self._more)
        self._controller = Controller(self._store, Operations(self._store), self._follower, settings.server_id)
        self._moved_at = 0  # revision at which the controller looked last
        self._stream = StreamAddress(folder)
        self._answered_at: float | None = None  # when a worker did for the first time
        self._beating = Repeated("heartbeat", beat.beat, BEAT_EVERY, AFTER_CHANGE)
        self._moving = Repeated("controller", self._move, TICK_EVERY, AFTER_CHANGE)
        self._noticing = Repeated("store log", StoreLog(self._follower).look, NOTICE_EVERY)
        self._noting = Repeated("notes", self._notices.flush, NOTICE_EVERY)
        self._counting = Repeated("people", self._note_days, NOTE_DAYS_EVERY)
        self._keeping = Repeated("snapshot", self._keeper.keep, KEEP_EVERY)
        gatherer = Gatherer(self._store, self._follower, ask_prometheus)
        self._gathering = Repeated("prometheus", gatherer.look, GATHER_EVERY)
        self._shipper = Shipper(
            self._store, lambda: Segments(folder / RECORD_FOLDER), self._shipped, server=settings.server_id
        )
        self._anchors = Anchors(folder / RECORD_FOLDER, signing_key(folder))
        self._shipping = Repeated("record", self._ship, SHIP_EVERY, AFTER_CHANGE)
        self._loads = LoadKeeper(Spool(folder / SPOOL_FOLDER), self._store, settings.to_environment())
        self._loading = Repeated("large files", self._loads.look, LOOK_FOR_LOADS_EVERY)
        self._watching = Repeated("flags file", self._file.look, LOOK_EVERY)

    def start(self, running: ExitStack) -> None:
        """Registers with `running` how each part is stopped."""
        start_from_disk(self._follower, self._kept)
        self._follower.follow(timedelta(0))
        self._follow(running)
        running.callback(self._keeper.keep)
        running.callback(self._loads.stop)
        for part in (
            self._keeping,
            self._watching,
            self._loading,
            self._moving,
            self._gathering,
            self._beating,
            self._noticing,
            self._noting,
            self._counting,
            self._shipping,
        ):
            running.callback(part.stop)
            part.start()

    def ready(self) -> bool:
        """A worker answers with what the file says. Where all goes well, all of them do, and the first steps that were
        due are taken; but nobody waits for that for long."""
        if self._file.report is None or not answers(self._settings):
            return False
        self._answered_at = self._answered_at or time.monotonic()
        return self._settled() or time.monotonic() - self._answered_at > SETTLED_WITHIN

    def _settled(self) -> bool:
        settings, revision = self._settings, self._follower.current.revision
        moved = self._moved_at == revision or self._follower.stale
        streams = settings.stream is None or self._stream.look() is not None
        admin = admin_settings(settings)
        others = streams and (admin is None or answers(admin))
        return moved and others and all_workers_have(self._store, settings.server_id, revision, settings.workers)

    def description(self) -> str:
        workers, flags = self._settings.workers, len(self._follower.current.state.records)
        return (
            f"rollout {__version__}: ready on {self._settings.url}, {_counted(workers, 'worker')}, "
            f"{_counted(flags, 'flag')}, revision {self._follower.current.revision}{self._where_metrics_are()}"
        )

    def _where_metrics_are(self) -> str:
        admin = admin_settings(self._settings)
        return f", metrics on {admin.url}" if admin else ""

    def _loader(self, file: Path) -> FileLoader:
        handled = HandledFile(Path(self._settings.data_dir), self._settings.origin)
        return FileLoader(self._store, lambda: self._follower.current.state, handled, _file_actor(file))

    def _note_days(self) -> None:
        with suppress(StoreUnavailable, RevisionConflict):  # the next round does it
            note_days(self._store, Operations(self._store), self._settings.server_id)

    def _load_failed(self, report: FileReport) -> None:
        self._notices.load_failed(_file_actor(Path(report.name)), failed_load_document(report))

    def _changed(self) -> None:
        self._beating.wake()
        self._moving.wake()
        self._shipping.wake()

    def _ship(self) -> None:
        self._shipper.ship()
        chain = self._shipper.chain
        if chain is not None and chain.size and self._shipper.standing.state is RecordState.SHIPPING:
            self._anchors.keep(chain)

    def _shipped(self, standing: Standing) -> None:
        self._record_reports.write(standing)
        self._beating.wake()

    def _move(self) -> None:
        revision = self._follower.current.revision
        with suppress(StoreUnavailable):  # the log of the store says so
            self._controller.tick()
            self._moved_at = revision

    def _more(self) -> dict[str, Any]:
        report = self._file.report
        record = self._shipper.standing.document()
        return {"file": report.document() if report else None, "record": record, "subjects": self._subjects}

    def _follow(self, running: ExitStack) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=self._follower.run, args=[stop], name="follower", daemon=True)

        def end() -> None:
            stop.set()
            self._store.close()  # which also ends its waiting for changes
            thread.join(JOIN_WITHIN)

        running.callback(end)
        thread.start()


def _file_actor(file: Path) -> Actor:
    return Actor(id=f"file:{file.name}", kind="file", host=socket.gethostname(), tool="rollout serve")


class StoreLog:
    """Says in the log when the store is lost, and when it is back."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._lost = False

    def look(self) -> None:
        lost = self._follower.stale
        if lost and not self._lost:
            revision = self._follower.current.revision
            log.warning("checks go on, stale, from revision %s: %s", revision, self._follower.trouble)
        if self._lost and not lost:
            log.info("the store answers again")
        self._lost = lost


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
