"""The process that the workers come from, which replaces one that died. It serves nothing itself. It is started by the
server process and ends with it.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import partial

from rollout.bootstrap.open_files import allow_many_files
from rollout.bootstrap.parent import end_with
from rollout.bootstrap.prefork import Workers, listening
from rollout.bootstrap.settings import WEB_VARIABLE, WebSettings
from rollout.bootstrap.worker import work
from rollout.telemetry import configure_logging


def main() -> None:
    configure_logging(json=not sys.stderr.isatty())
    settings = WebSettings.from_environment()
    del os.environ[WEB_VARIABLE]  # it has the store's password, and nobody else is to read it
    end_with(settings.server_pid)
    allow_many_files()
    workers = Workers(listening(settings.bind), settings.workers, partial(work, settings))
    gc.freeze()  # what is here stays, in memory that is shared with the workers
    workers.run()


if __name__ == "__main__":
    main()
