"""One worker: answers requests from a snapshot of its own, which a thread keeps up to date. It begins with the snapshot
on disk, so that it answers also when the store is stopped, hung or gone.
"""

from __future__ import annotations

import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

from rollout.bootstrap.file_reports import RECORD_REPORT, FileReports
from rollout.bootstrap.handing_over import start_counting, start_handing_over
from rollout.bootstrap.heartbeat import BEAT_EVERY, Heartbeat
from rollout.bootstrap.memory import Residents, collect_seldom
from rollout.bootstrap.parent import end_with
from rollout.bootstrap.settings import WebSettings
from rollout.bootstrap.snapshots import start_from_disk
from rollout.bootstrap.stream_address import LOOK_FOR_STREAMS_EVERY, StreamAddress
from rollout.bootstrap.threads import AFTER_CHANGE, Repeated
from rollout.core.definitions import FlagFile
from rollout.front import Front, Others, encrypted
from rollout.identity.settings import OpenIdSettings
from rollout.service.desk import StoreDesk
from rollout.service.exposures import Exposures
from rollout.service.follower import Follower
from rollout.service.gate import Gate
from rollout.service.identity import Provider
from rollout.service.key_chores import KeyChores
from rollout.service.noticing import Notices
from rollout.service.operations import Operations
from rollout.service.outcomes import Intake
from rollout.service.past import Past
from rollout.service.publishing import Publisher
from rollout.service.roll_call import RollCall
from rollout.service.sessions import SessionDesk
from rollout.service.snapshot import Snapshot
from rollout.stores.console_secret import console_secret
from rollout.stores.disk import DiskSnapshot
from rollout.stores.record_copy import RecordCopy
from rollout.stores.redis import RedisFlagStore
from rollout.stores.segments import RECORD_FOLDER
from rollout.stores.spool import SPOOL_FOLDER, Spool
from rollout.stores.subjects import subjects_key
from rollout.telemetry import Counters
from rollout.web.app import Parts, create_app
from rollout.web.evaluate import Checker
from rollout.web.fast_path import FastPath, Sender
from rollout.web.large_files import largest_body
from rollout.web.signed_context import read_context_keys
from rollout.yaml_files.reader import read_text

PREPARE_EVERY = 1.0  # seconds; a change is prepared soon, a member list that somebody asked for within these
LOOK_FOR_PROVIDER_EVERY = 5.0  # seconds; one that is there is asked much less often
FIRST_ANSWER_WITHIN = 1.0  # seconds that a start waits for the store
PATIENCE_FOR_THE_PAST = timedelta(seconds=0.5)  # all calls but checks wait as long, since they have one thread
SWITCH_INTERVAL = 0.00005  # seconds; a thread that compiles gives way to checks a hundred times as often as by itself


def work(settings: WebSettings, listener: socket.socket, parent: int) -> None:
    """Answers who comes to `listener` until it is told to stop, or the process `parent` is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us says when to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # there is nothing to finish yet; inherited is our parent's
    end_with(parent)
    sys.setswitchinterval(SWITCH_INTERVAL)
    collect_seldom()
    front = _front(settings, listener)
    signal.signal(signal.SIGTERM, lambda *_: front.stop())
    front.run()


def _front(settings: WebSettings, listener: socket.socket) -> Front[Sender]:
    folder = Path(settings.data_dir)
    store = RedisFlagStore(settings.redis_url, settings.namespace)
    counters, residents = Counters(), Residents()

    def changed(snapshot: Snapshot) -> None:
        residents.settle(snapshot)
        reporting.wake()
        preparing.wake()

    follower = Follower(store, changed)
    publisher = Publisher(lambda: follower.current)
    preparing = Repeated("ruleset", publisher.prepare, PREPARE_EVERY, AFTER_CHANGE)
    kind = "admin" if settings.is_admin else "worker"
    heartbeat = Heartbeat(store, follower, kind=kind, server_id=settings.server_id)

    roll = RollCall(store)
    notices = Notices(Operations(store))

    secret = console_secret(folder)
    gate = Gate(lambda: follower.current.state.keys, open_without_keys=settings.bind.is_loopback, pages=secret)
    chores = KeyChores(store, gate, settings.server_id, time.time)

    def report() -> None:
        roll.call()
        notices.flush()
        counters.flush()
        heartbeat.beat()
        chores.do()

    reporting = Repeated("heartbeat", report, BEAT_EVERY, AFTER_CHANGE)
    start_from_disk(follower, DiskSnapshot(folder, settings.origin))
    _first_answer(follower)
    threading.Thread(target=follower.run, args=[threading.Event()], name="follower", daemon=True).start()
    reporting.start()
    preparing.start()
    past = Past(store, RecordCopy(folder / RECORD_FOLDER), PATIENCE_FOR_THE_PAST)
    desk = StoreDesk(store, _read_text, lambda: follower.current, notices, past)
    intake = Intake(store, follower, counters)
    start_handing_over(intake)
    exposures = Exposures(store, follower, subjects_key(folder), lambda: counters.asked)
    start_counting(exposures)
    large_files = Spool(folder / SPOOL_FOLDER)
    with suppress(OSError):  # checks are answered all the same
        tempfile.tempdir = str(large_files.prepared())  # bodies that come do not belong where others' files are
    parts = Parts(
        follower,
        desk,
        counters,
        intake,
        FileReports(folder).read,
        record_report=FileReports(folder, RECORD_REPORT).read,
        unconfirmed=lambda: roll.unconfirmed,
        publisher=publisher,
        served=exposures.served,
        served_one=exposures.served_one,
        reported=exposures.reported,
        drawn=exposures.drawn,
        stream=_where_streams_are(folder),
        gate=gate,
        origins=frozenset(settings.cors_origins),
        contexts=read_context_keys(settings.context_keys) if settings.context_keys else None,
        sessions=SessionDesk(Operations(store)),
        provider=_provider(settings.log_in),
        console_secret=secret,
        large_files=large_files,
        tells_machines=settings.admin is None,
    )
    flask = create_app(parts)
    checker = Checker(follower, counters.beside(), exposures.served, exposures.served_one)
    usual = FastPath(flask.wsgi_app, checker, gate, parts.stream, parts.origins)
    tls = settings.tls
    return Front(
        listener,
        usual.sender if settings.fast_path else lambda _: None,
        usual.answer,
        partial(Others, flask.wsgi_app, largest=largest_body(gate), secure=tls is not None),
        dressed=encrypted(tls.cert, tls.key) if tls else None,
    )


def _provider(log_in: OpenIdSettings | None) -> Provider | None:
    """Imported late: where nobody logs in by it, its libraries need not be there."""
    if log_in is None:
        return None
    from rollout.identity.openid import OpenIdProvider  # noqa: PLC0415

    provider = OpenIdProvider(log_in)
    Repeated("log-in", provider.refresh, LOOK_FOR_PROVIDER_EVERY).start()
    return provider


def _where_streams_are(folder: Path) -> Callable[[], str | None]:
    """For requests, which do not touch the disk themselves."""
    streams = StreamAddress(folder)
    streams.look()
    Repeated("streams", streams.look, LOOK_FOR_STREAMS_EVERY).start()
    return lambda: streams.current


def _first_answer(follower: Follower) -> None:
    """Begins up to date where the store answers soon; else with what there is."""
    deadline = time.monotonic() + FIRST_ANSWER_WITHIN
    while not follower.follow(timedelta(0)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _read_text(text: str, name: str, load_members: Callable[[str], bytes]) -> FlagFile:
    return read_text(text, name=name, load_members=load_members)
