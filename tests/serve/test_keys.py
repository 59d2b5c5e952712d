"""Keys in a running service: closed to other machines until there are some, revoked everywhere in time, and still known
when the store is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from redis import Redis
from servekit import PATIENCE, OwnStore, Service, eventually, hanging


def first_key(service: Service) -> str:
    return made(service.command("keys", "create", "--role", "admin", "--name", "anna"))


def made(result: object) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def straight(service: Service, store: OwnStore, *words: str) -> str:
    return made(service.command("keys", *words, "--url", store.url))


def id_of(token: str) -> str:
    return token.split("_")[2]


def status_of(service: Service, token: str | None, path: str = "/v1/flags/payments") -> int:
    return service.ask(path, {"user_id": "u-1"}, key=token).status


def test_without_keys_no_other_machine_is_let_in(service_in: Callable[..., Service], tmp_path: Path) -> None:
    service = service_in(tmp_path / "site", bind="0.0.0.0:0").launch()
    assert service.ended() == 2
    assert "can be reached from other machines, and there are no keys" in service.said()
    assert "rollout keys create --role admin --name NAME" in service.said()
    assert service.printed() == ""


def test_with_the_first_key_made_on_its_own_machine_others_are_let_in(
    service_in: Callable[..., Service], tmp_path: Path
) -> None:
    service = service_in(tmp_path / "site").start()
    admin = first_key(service)
    eventually(lambda: service.every_worker(lambda: status_of(service, None) == 401))
    assert status_of(service, admin) == 200
    service.interrupt()
    service.options["bind"] = "0.0.0.0:0"
    service.start()
    service.address = service.address.replace("0.0.0.0", "127.0.0.1")
    assert service.every_worker(lambda: status_of(service, admin) == 200)
    assert status_of(service, None) == 401


def test_a_revocation_reaches_every_worker_and_the_audit_has_a_key_that_was_in_a_url(
    service_in: Callable[..., Service], tmp_path: Path, own_store: OwnStore
) -> None:
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    admin = straight(service, own_store, "create", "--role", "admin", "--name", "anna")
    client = straight(service, own_store, "create", "--role", "client", "--name", "app")
    shop = straight(service, own_store, "create", "--role", "server", "--name", "shop")
    eventually(lambda: service.every_worker(lambda: status_of(service, client) == 200))
    straight(service, own_store, "revoke", id_of(client))
    eventually(lambda: service.every_worker(lambda: status_of(service, client) == 401))
    assert service.ask("/v1/flags", {"key": shop}).status == 401
    eventually(lambda: service.every_worker(lambda: status_of(service, shop) == 401))
    newest = service.ask("/v1/audit", key=admin).document["entries"][0]
    assert (newest["action"], newest["after"]["keys"][0]["id"]) == ("revoke_key", id_of(shop))
    listed = service.ask("/v1/keys", key=admin).document["keys"]
    eventually(lambda: service.ask("/v1/keys", key=admin).document["keys"][0]["last_used"])
    assert [key["state"] for key in listed] == ["live", "revoked", "revoked"]


def test_what_was_revoked_while_a_server_could_not_see_the_store_ends_when_it_can_again(
    service_in: Callable[..., Service], tmp_path: Path, own_store: OwnStore
) -> None:
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    admin = straight(service, own_store, "create", "--role", "admin", "--name", "anna")
    client = straight(service, own_store, "create", "--role", "client", "--name", "app")
    eventually(lambda: service.every_worker(lambda: status_of(service, client) == 200))
    own_store.kill()
    eventually(lambda: service.check(key=client)["stale"])
    assert service.every_worker(lambda: status_of(service, client) == 200)
    assert service.every_worker(lambda: status_of(service, None) == 401)
    own_store.start()
    straight(service, own_store, "revoke", id_of(client))
    eventually(lambda: service.every_worker(lambda: status_of(service, client) == 401))
    assert status_of(service, admin) == 200


def test_a_server_that_starts_while_the_store_is_away_knows_the_keys_that_it_kept(
    service_in: Callable[..., Service], tmp_path: Path, own_store: OwnStore
) -> None:
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    straight(service, own_store, "create", "--role", "admin", "--name", "anna")
    client = straight(service, own_store, "create", "--role", "client", "--name", "app")
    eventually(lambda: service.every_worker(lambda: status_of(service, client) == 200))
    service.interrupt()
    with hanging(own_store.pid):
        service.options["bind"] = "0.0.0.0:0"
        service.launch()
        service.wait_until_ready()
        service.address = service.address.replace("0.0.0.0", "127.0.0.1")
        assert service.every_worker(lambda: status_of(service, client) == 200)
        assert service.every_worker(lambda: status_of(service, None) == 401)


@pytest.mark.parametrize("path", ["/v1/status", "/metrics", "/v1/audit"])
def test_a_secret_shows_up_in_no_process_and_no_log(service: Service, path: str) -> None:
    service.start()
    admin = first_key(service)
    eventually(lambda: service.every_worker(lambda: status_of(service, None, path) == 401))
    secret = admin.split("_", 3)[3]
    assert secret not in service.said() + service.printed()
    assert not any(secret.encode() in file.read_bytes() for file in service.folder.rglob("*") if file.is_file())


def test_a_wrong_password_while_it_is_changed_takes_nothing_away(
    service_in: Callable[..., Service], tmp_path: Path, own_store: OwnStore
) -> None:
    with Redis(unix_socket_path=str(own_store.socket)) as operator:
        rules = ("on", ">first", "~*", "&*", "+@all")
        operator.execute_command("ACL", "SETUSER", "rollout", *rules)
        url = f"unix://rollout:first@{own_store.socket}"
        service = service_in(tmp_path / "site", redis_url=url).start()
        before = service.check()
        operator.execute_command("ACL", "SETUSER", "rollout", "<first", ">second")
        operator.execute_command("CLIENT", "KILL", "USER", "rollout")
        eventually(lambda: service.every_worker(lambda: service.check()["stale"]))
        assert service.every_worker(lambda: service.check() == before | {"stale": True})
        eventually(lambda: "does not accept the user or password" in service.said())
        operator.execute_command("ACL", "SETUSER", "rollout", ">first")
        eventually(lambda: service.every_worker(lambda: service.check() == before))


def test_a_page_opens_its_stream_by_the_ticket_that_it_was_given_and_a_server_by_its_key(
    service_in: Callable[..., Service], tmp_path: Path, own_store: OwnStore
) -> None:
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    straight(service, own_store, "create", "--role", "admin", "--name", "anna")
    page = straight(service, own_store, "create", "--role", "client", "--name", "page")
    shop = straight(service, own_store, "create", "--role", "server", "--name", "shop")
    eventually(lambda: service.every_worker(lambda: status_of(service, shop) == 200))
    eventually(lambda: stream_of(service, page) and opened(stream_of(service, page)) == 200)
    address = eventually(lambda: service.every_worker(lambda: stream_of(service, shop)) and stream_of(service, shop))
    assert stream_of(service, page).startswith(f"{address}?ticket=")
    assert opened(address) == 401
    assert opened(address, shop) == 200
    assert opened(f"{address}?key={shop}") == 401
    assert opened(address, shop) == 401
    eventually(lambda: service.every_worker(lambda: status_of(service, shop) == 401))
    with urlopen(stream_of(service, page), timeout=PATIENCE) as events:
        straight(service, own_store, "revoke", id_of(page))
        events.read()  # to its end


def stream_of(service: Service, token: str) -> str:
    """ "" while there is none."""
    streams = service.ask("/ofrep/v1/evaluate/flags", body={}, key=token).document.get("eventStreams", [])
    return str(streams[0]["url"]) if streams else ""


def opened(url: str, token: str | None = None) -> int:
    try:
        with urlopen(Request(url, headers={"X-API-Key": token} if token else {}), timeout=PATIENCE) as events:
            return int(events.status)
    except HTTPError as error:
        with error:
            return error.code
