"""The process that the workers come from: granian, which gives each of them the requests and replaces one that died. It
serves nothing itself. It is started by `web_server` and ends with the server process.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

import rollout.bootstrap.worker  # noqa: F401  # workers that are forked from here share its memory
from rollout.bootstrap.open_files import allow_many_files
from rollout.bootstrap.parent import end_with
from rollout.bootstrap.settings import WebSettings
from rollout.bootstrap.worker import MASTER_VARIABLE
from rollout.telemetry import configure_logging

CONNECTIONS = 4096
"""Open at one time in each worker, idle ones included, and as many again that wait to be let in. More would wait for
ever, since granian counts connections, not requests."""

ANSWERS_WITHIN = 5  # seconds for the answers that are under way when a worker shall stop

LOGS = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}},
}
"""Granian's lines go where ours go: by itself it writes to standard output."""


def main() -> None:
    configure_logging(json=not sys.stderr.isatty())
    settings = WebSettings.from_environment()
    end_with(settings.server_pid)
    allow_many_files()
    os.environ[MASTER_VARIABLE] = str(os.getpid())
    server = Granian(
        "rollout.bootstrap.worker:app",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.bind.host,
        port=settings.bind.port,
        workers=settings.workers,
        blocking_threads=1,  # its default of hundreds ruins the tail
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=ANSWERS_WITHIN,
        log_level=LogLevels.warning,
        log_dictconfig=LOGS,
        log_access=False,
        ssl_cert=Path(settings.tls.cert) if settings.tls else None,
        ssl_key=Path(settings.tls.key) if settings.tls else None,
    )
    gc.freeze()  # what is here stays, in memory that is shared with the workers
    server.serve()


if __name__ == "__main__":
    main()
