"""A running service answers as it answered then, also when the store has forgotten what was in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from servekit import OwnStore, Service, eventually


def told(service: Service, *words: str) -> dict[str, Any]:
    done = service.command(*words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_what_was_answered_is_answered_again_over_http_straight_and_from_the_copy(
    service_in: Callable[..., Service], own_store: OwnStore, tmp_path: Path
) -> None:
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    service.change("payments", "set", share="1%")
    who = ("explain", "payments", "--user", "u-58", "-c", "country=IN", "-c", "app_version=2.18.9")
    answered = told(service, *who)
    at = told(service, "status")["at"]
    eventually(lambda: told(service, "status")["at"] > at)
    service.change("payments", "kill")
    then = told(service, *who, "--at", at)
    assert {name: then[name] for name in answered} == answered
    assert told(service, *who, "--at", at, "--url", own_store.url) == then
    assert not told(service, *who)["on"]
    (killed,) = told(service, "diff", "--from", at)["flags"]
    assert (killed["flag"], killed["state"]["after"]) == ("payments", "killed")
    eventually(lambda: service.ask("/readyz").document["record"]["size"] >= then["in_force"]["revision"] + 1)
    with Redis(unix_socket_path=str(own_store.socket)) as client:
        client.delete(*client.keys("{rollout}:blob:*"))
    service.interrupt()
    service.start()  # whose workers remember nothing
    assert told(service, *who, "--at", at) == then
