"""Stages that move by themselves on real servers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from servekit import OwnStore, Service, eventually

FILE = """\
version: 1
flags:
  payments:
    description: Pay
    owner: oncall@example.com
    enabled: true
    rollout: { bake: 2s, stages: [1%, 5%, 25%, 50%, 100%] }
"""


def test_four_servers_enter_each_stage_exactly_once(service_in: Callable[..., Service], own_store: OwnStore, tmp_path):
    services = [service_in(tmp_path / f"site-{number}", redis_url=own_store.url, workers=1) for number in range(4)]
    for service in services:
        service.flags_file.write_text(FILE)
    for service in services:
        service.start()
    eventually(lambda: services[0].status()["flags"][0]["state"] == "done", patience=60)
    entries = list(reversed(services[0].audit()))
    entered = [entry["after"]["exposure"]["everyone"] for entry in entries if entry["action"] == "enter"]
    assert entered == ["1%", "5%", "25%", "50%", "100%"]
    times = [entry["after"]["baking_from_ms"] for entry in entries if entry["action"] == "enter"]
    assert all(int(later) - int(sooner) >= 2000 for sooner, later in pairwise(times))
    for service in services:
        eventually(lambda service=service: service.check(user_id="u-1")["on"])


def test_after_kill_9_in_the_middle_of_a_bake_the_rollout_is_where_it_was(service: Service):
    service.flags_file.write_text(FILE.replace("bake: 2s", "bake: 1h"))
    service.start()
    eventually(lambda: service.status()["flags"][0]["live"])
    before = service.audit()[0]
    service.kill()
    eventually(lambda: not service.web_processes())
    service.start()
    assert service.audit()[0] == before
    coming = service.status()["flags"][0]["coming"]
    assert (coming["stage"], coming["why"]) == ("5%", "baking")
