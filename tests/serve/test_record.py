"""A running service keeps a copy of its record, says how it stands, and goes on with it after a crash."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis import Redis
from servekit import IN_ONE_PERCENT, OwnStore, Service, eventually

from rollout.core.chain import follow
from rollout.service.exposed_days import day_count
from rollout.stores.redis import RedisFlagStore
from rollout.stores.segments import read_segments


def copy_of(service: Service) -> list[bytes]:
    folder: Path = service.folder / ".rollout" / "audit"
    return list(read_segments(folder))


def record_of(service: Service) -> dict[str, Any]:
    standing: dict[str, Any] = service.ask("/readyz").document["record"]
    return standing


def test_the_record_is_shipped_while_the_service_runs_and_goes_on_after_it_was_killed(service: Service) -> None:
    service.start()
    service.change("payments", "set", share="1%")
    eventually(lambda: follow(copy_of(service)).place >= (service.status()["revision"], 0))
    before = copy_of(service)
    service.kill()
    service.start()
    service.change("payments", "kill")
    eventually(lambda: b'"action":"kill"' in copy_of(service)[-1])
    after = copy_of(service)
    assert after[: len(before)] == before
    assert follow(after).size == len(after)
    eventually(lambda: record_of(service)["size"] == len(after))
    assert (record_of(service)["state"], record_of(service)["trouble"]) == ("shipping", None)
    servers = [server for server in service.status()["servers"] if server["kind"] == "server"]
    assert servers[0]["record"]["state"] == "shipping"


def test_a_file_that_cannot_be_loaded_is_noted(service: Service) -> None:
    service.start()
    service.flags_file.write_text("version: 1\nflags: nonsense\n")

    def noted() -> list[dict[str, Any]]:
        notes = service.ask("/v1/audit/notes").document["entries"]
        return [note for note in notes if note["action"] == "load failed"]

    (note,) = eventually(noted)
    assert (note["actor"]["id"], note["actor"]["kind"]) == ("file:flags.yaml", "file")
    assert "flags.yaml:2:8: error:" in note["after"]["problem"]


def test_the_record_of_a_running_service_verifies_and_what_was_forged_does_not(service: Service) -> None:
    service.start()
    service.change("payments", "set", share="1%", reason="the first million")
    eventually(lambda: b"the first million" in b"".join(copy_of(service)))
    eventually((service.folder / ".rollout" / "audit" / "anchors.jsonl").exists)
    service.interrupt()
    key = service.command("audit", "key").stdout.strip()
    held = service.command("audit", "verify", "--key", key)
    assert (held.returncode, held.stderr) == (0, "")
    assert "all holds; they give the state in force" in held.stdout
    (segment,) = (service.folder / ".rollout" / "audit").glob("audit-*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"the first million", b"the last millions"))
    forged = service.command("audit", "verify", "--json")
    assert forged.returncode == 1
    assert '"ok": false' in forged.stdout
    assert service.command("audit", "verify", "nowhere").returncode == 2


def test_a_quarter_of_a_running_service_is_exported_and_the_service_knows(service: Service) -> None:
    service.start()
    service.change("payments", "set", share="1%", reason="the first million")
    eventually(lambda: b"the first million" in b"".join(copy_of(service)))
    now = datetime.now(UTC)
    quarter = f"{now.year}Q{(now.month + 2) // 3}"
    made = service.command("audit", "export", "--quarter", quarter, "-o", "handed-over", "-m", "for the regulator")
    assert (made.returncode, made.stderr) == (0, "")
    assert service.command("audit", "verify", "handed-over").stdout == "all holds\n"
    assert "the first million" in (service.folder / "handed-over" / "report.html").read_text()
    again = service.command("audit", "export", "--quarter", quarter, "-o", "handed-over")
    assert again.returncode == 2
    notes = service.ask("/v1/audit/notes").document["entries"]
    (taken,) = [note for note in notes if note["action"] == "export"]
    assert (taken["after"]["quarter"], taken["reason"]) == (quarter, "for the regulator")
    assert "export" in service.command("audit", "notes").stdout


def test_whom_the_workers_serve_is_counted_and_no_name_reaches_the_store(
    service_in: Callable[..., Service], own_store: OwnStore, tmp_path: Path
) -> None:
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    people = [f"employee-number-{number}" for number in range(40)]
    with closing(RedisFlagStore(own_store.url)) as store, Redis(unix_socket_path=str(own_store.socket)) as client:
        service.change("payments", "set", share="100%")
        for person in [*people, *people]:
            service.check(**{**IN_ONE_PERCENT, "user_id": person})

        def counted() -> int:
            days = [(datetime.now(UTC) - timedelta(days=ago)).date().isoformat() for ago in (0, 1)]
            return sum(day_count(store.exposed(day)).people.get("payments", 0) for day in days)

        eventually(lambda: counted() >= len(people) - 1)
        assert counted() <= 2 * len(people) + 1  # midnight may have been between the rounds
        held = b"".join(client.dump(key) or b"" for key in client.keys("{rollout}:*"))
    assert b"employee-number" not in held
    assert (service.folder / ".rollout" / "subjects.key").stat().st_mode & 0o777 == 0o600


def test_a_restored_backup_raises_nobody_until_it_is_recovered(
    service_in: Callable[..., Service], own_store: OwnStore, tmp_path: Path
) -> None:
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    service.change("payments", "set", share="1%")
    with Redis(unix_socket_path=str(own_store.socket)) as client:
        backup = {key: client.dump(key) for key in client.keys("{rollout}:*") if b":server" not in key}
        service.change("payments", "set", share="2%", reason="after the backup")
        eventually(lambda: b"after the backup" in b"".join(copy_of(service)))
        client.delete(*client.keys("{rollout}:*"))
        for key, content in backup.items():
            client.restore(key, 0, content, replace=True)
    eventually(lambda: record_of(service)["state"] == "store behind")
    assert service.check()["flag"] == "payments"
    straight = ("--url", own_store.url, "payments")
    refused = service.command("set", *straight, "3%", "--yes", "--no-wait")
    assert refused.returncode == 7
    assert "rollout audit recover" in refused.stderr
    recovered = service.command("audit", "recover", "--redis-url", own_store.url, "-m", "the backup was old")
    assert (recovered.returncode, recovered.stderr) == (0, "")
    eventually(lambda: record_of(service)["state"] == "shipping")
    eventually(lambda: service.ask("/readyz").document["trouble"] is None)
    assert service.change("payments", "set", share="3%")["before"]["exposure"]["india"] == "2%"
    assert "after the backup" in [entry["reason"] for entry in service.audit()]
