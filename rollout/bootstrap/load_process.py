"""The process that carries out one load: it reads the body that a worker put on the disk, and does with the store what
a worker does with a small one, by the same desk. Nobody waits for it, and what it took is given back when it ends.
Whatever becomes of it, the store has all of the change or nothing of it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from redis import Redis

from rollout.bootstrap.parent import end_with
from rollout.bootstrap.settings import WEB_VARIABLE, WebSettings
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidInput, NotAllowed, NotAuthenticated, RolloutError
from rollout.core.keys import PERMISSIONS, Permission, condition
from rollout.service.desk import StoreDesk
from rollout.service.encoding import decode_state
from rollout.service.loads import About, Outcome
from rollout.service.ports import FlagStore
from rollout.stores.redis import RedisFlagStore, connect
from rollout.stores.spool import SPOOL_FOLDER, Spool
from rollout.telemetry import configure_logging
from rollout.web.asking import Document, actor_by, log_change, outcome_of, request_of, waits
from rollout.web.errors import STATUS, error_document
from rollout.web.files import files_in
from rollout.yaml_files.reader import read_text

PATIENCE = timedelta(seconds=30)  # for the store: nobody else waits here
NICE = 5  # answering checks is more urgent
NEEDED = {"apply": Permission.APPLY, "plan": Permission.CHANGE}

log = structlog.get_logger("rollout.loads")


def main() -> None:
    """Of the load that is named by the first argument. The second names the process that started us."""
    load, parent = sys.argv[1], int(sys.argv[2])
    settings = WebSettings.from_environment()
    del os.environ[WEB_VARIABLE]  # which has the store's password
    end_with(parent)
    configure_logging(json=not sys.stderr.isatty())
    os.nice(NICE)
    gc.disable()  # this process ends before it would help
    spool = Spool(Path(settings.data_dir) / SPOOL_FOLDER)
    with spool.held(load) as mine, closing(_store(settings)) as store:
        about = spool.about(load)
        if mine and about is not None and spool.begun(load) is None:
            spool.end(load, carry_out(about, spool.body(load), store, lambda request: spool.say_begun(load, request)))


def carry_out(about: About, body: Path, store: FlagStore, begun: Callable[[str], None]) -> Outcome:
    """`begun` is told the request id before the store hears anything."""
    try:
        answer = _answer(about, body, store, begun)
    except RolloutError as error:
        log.warning("a large file was refused", action=about.action, actor=about.asker.name, why=error.message)
        return _refused(error)
    except MemoryError:
        return _refused(InvalidInput("reading this file takes more memory than there is", "split it"))
    return Outcome(202 if waits(answer) else 200, answer=answer)


def _refused(error: RolloutError) -> Outcome:
    return Outcome(STATUS[error.code], error=error_document(error)["error"])


def _answer(about: About, body: Path, store: FlagStore, begun: Callable[[str], None]) -> Document:
    check_still_allowed(about, store)
    content = body.read_bytes()
    if len(content) != about.size:
        raise InvalidInput(f"{len(content)} of {about.size} bytes are on the disk", "send it again")
    asked = files_in(content, yaml=about.yaml, query=about.query.encode("latin-1"))
    del content
    if asked.request_id is None:
        asked = asked.model_copy(update={"request_id": about.request_id})
    desk = StoreDesk.straight(store, _read_text)
    if about.action == "plan":
        return desk.plan(asked.files, prune=asked.prune)
    change = request_of(asked, actor_by(about.asker, asked.actor))
    begun(change.request_id)
    answer = desk.apply(asked.files, change, prune=asked.prune)
    if not change.dry_run:
        log_change(about.action, outcome_of(change, answer), change, answer)
    return answer


def check_still_allowed(about: About, store: FlagStore) -> None:
    """A key that ended since the first byte came opens nothing. Raises NotAuthenticated, NotAllowed."""
    stored = store.read([])
    keys, by = decode_state(stored).keys, about.asker
    if not by.key:
        if keys:
            raise NotAuthenticated("keys were made since this was begun", "send it again, with yours")
        return
    key = keys.get(by.key)
    if key is None or condition(key, datetime.now(UTC)) != "live":
        raise NotAuthenticated("the key that this was begun with has ended", "send it again, with another one")
    if NEEDED[about.action] not in PERMISSIONS[key.role]:
        raise NotAllowed(f"a {key.role} key may not do this")


def _store(settings: WebSettings) -> RedisFlagStore:
    return RedisFlagStore(settings.redis_url, settings.namespace, _patiently)


def _patiently(url: str, least: timedelta) -> Redis:
    return connect(url, max(least, PATIENCE))


def _read_text(text: str, name: str, load_members: Callable[[str], bytes]) -> FlagFile:
    return read_text(text, name=name, load_members=load_members)


if __name__ == "__main__":
    main()
