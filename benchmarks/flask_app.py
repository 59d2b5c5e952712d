"""The same Flask application without a server of its own around it, for servers that are compared: flags from a file,
in memory, and nothing in front of Flask's views.

    ROLLOUT_BENCH_FLAGS=flags.yaml gunicorn flask_app:app
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

from rollout.core.audit import Actor
from rollout.service.desk import StoreDesk
from rollout.service.follower import Follower
from rollout.service.operations import Operations, Request
from rollout.service.outcomes import Intake
from rollout.stores.memory import MemoryFlagStore
from rollout.telemetry import Counters
from rollout.web.app import Parts, create_app
from rollout.yaml_files.reader import read_file, read_text

store = MemoryFlagStore()
Operations(store).load(read_file(Path(os.environ["ROLLOUT_BENCH_FLAGS"])), Request(Actor("benchmark", "file")))
follower = Follower(store)
follower.follow(timedelta(0))
threading.Thread(target=follower.run, args=[threading.Event()], name="follower", daemon=True).start()
counters = Counters()
desk = StoreDesk(
    store, lambda text, name, load: read_text(text, name=name, load_members=load), lambda: follower.current
)
parts = Parts(follower, desk, counters, Intake(store, follower, counters), lambda: None, fast=False)
app = create_app(parts)
