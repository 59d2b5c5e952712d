"""Streams, end to end: the service as real processes, a real client of server-sent events, and raw sockets where it
matters what goes over the wire."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import httpx
from httpx_sse import ServerSentEvent, connect_sse
from servekit import PATIENCE, OwnStore, Service, eventually, hanging, processes_in

STREAM = "/v1/stream"
ALL = "/ofrep/v1/evaluate/flags"


def stream_report(service: Service) -> dict:
    """What the stream process said of itself last."""

    def reports() -> list[dict]:
        return [server for server in service.status()["servers"] if server["kind"] == "stream"]

    return max(eventually(reports), key=lambda report: report["at_ms"])


def stream_url(service: Service) -> str:
    return stream_report(service)["streams"]["url"]


def stream_pids(service: Service) -> list[int]:
    return [pid for pid, command in processes_in(service.folder).items() if "bootstrap.stream_process" in command]


@contextmanager
def listening(url: str, seen: int | None = None) -> Iterator[Iterator[ServerSentEvent]]:
    headers = {} if seen is None else {"Last-Event-ID": str(seen)}
    with httpx.Client(timeout=PATIENCE) as client, connect_sse(client, "GET", url + STREAM, headers=headers) as source:
        yield source.iter_sse()


def events(source: Iterator[ServerSentEvent]) -> Iterator[ServerSentEvent]:
    """Without the blocks that only set the id and the pause."""
    return (event for event in source if event.data)


def ends(source: Iterator[ServerSentEvent]) -> bool:
    """Whether nothing more comes, and that soon."""
    with suppress(httpx.RemoteProtocolError, httpx.ReadError):
        return list(events(source)) == []
    return True


def connected(url: str) -> socket.socket:
    address = httpx.URL(url)
    return socket.create_connection((address.host, address.port), timeout=PATIENCE)


def received(connection: socket.socket, ending: bytes) -> bytes:
    got = b""
    while ending not in got:
        more = connection.recv(4096)
        assert more, f"it ended after {got!r}"
        got += more
    return got


def test_a_change_is_told_to_a_client_of_server_sent_events(service: Service):
    service.start()
    with listening(stream_url(service), seen=service.check()["revision"]) as source:
        opening = next(source)
        assert (opening.id, opening.data) == ("2", "")
        assert opening.retry > 0
        revision = service.change("payments", "kill")["revision"]
        told = next(source)
    assert (told.event, told.id) == ("message", str(revision))
    data = told.json()
    assert isinstance(data.pop("lastModified"), int)
    assert data == {"type": "refetchEvaluation", "etag": f'"r{revision}"'}


def test_a_client_resumes_where_it_was(service: Service):
    service.start()
    url = stream_url(service)
    with listening(url, seen=1) as source:
        assert next(events(source)).id == "2"
    with listening(url, seen=2) as source:  # missed nothing, so the first that it hears is new
        next(source)
        service.change("payments", "kill")
        assert next(events(source)).id == "3"
    with listening(url, seen=2) as source:
        assert next(events(source)).id == "3"


def event_streams(service: Service) -> list[dict] | None:
    """What an OpenFeature client is told, by every worker; None while they differ."""
    answers = [service.ask(ALL, body={"context": {}}).document.get("eventStreams", []) for _ in range(24)]
    return answers[0] if all(answer == answers[0] for answer in answers) else None


def test_an_openfeature_client_is_sent_there_and_answered_with_what_it_was_told(service: Service):
    service.start()
    (stream,) = eventually(lambda: event_streams(service))
    assert (stream["type"], stream["url"]) == ("sse", stream_url(service) + STREAM)
    with listening(stream["url"].removesuffix(STREAM), seen=2) as source:
        next(source)
        service.change("payments", "kill")
        told = next(events(source)).json()
    query = urlencode({"flagConfigEtag": told["etag"]})
    again = service.ask(f"{ALL}?{query}", body={"context": {}}).document
    assert (again["metadata"]["revision"], again["metadata"]["stale"]) == (3, False)


def test_no_flag_is_named_on_a_stream(service: Service):
    service.start()
    with closing(connected(stream_url(service))) as connection:
        connection.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 2\r\n\r\n")
        received(connection, b"id: 2\n")
        service.change("payments", "kill", reason="a secret reason")
        told = received(connection, b"lastModified")
    assert not re.search(rb"payments|reason|secret", told)


def test_a_silent_stream_shows_that_it_is_alive(service: Service):
    service.options["stream_heartbeat"] = "1s"
    service.start()
    with closing(connected(stream_url(service))) as connection:
        connection.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 2\r\n\r\n")
        assert received(connection, b"\n:\n\n:\n\n").count(b"data") == 0


def test_above_the_cap_a_client_is_told_when_to_come_back(service: Service):
    service.options["stream_cap"] = 2
    service.start()
    url = stream_url(service)
    with listening(url, seen=2) as one, listening(url, seen=2) as other:
        next(one), next(other)
        refused = httpx.get(url + STREAM)
        assert refused.status_code == 503
        assert refused.headers["retry-after"].isdigit()
        assert "2" in refused.json()["error"]["message"]
        eventually(lambda: stream_report(service)["streams"] == {"url": url, "open": 2, "cap": 2})
    eventually(lambda: stream_report(service)["streams"]["open"] == 0)
    with listening(url, seen=2) as again:
        assert next(again).id == "2"


def test_what_is_no_stream_is_answered_in_json(service: Service):
    service.start()
    url = stream_url(service)
    assert httpx.get(url + "/healthz").json() == {"status": "ok"}
    for method, path, status in (("GET", "/v1/flags/payments", 404), ("POST", STREAM, 405), ("DELETE", STREAM, 405)):
        answer = httpx.request(method, url + path)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert httpx.head(url + STREAM).status_code == 405


def test_streams_stay_open_and_are_kept_awake_while_the_store_hangs(
    service_in: Callable[..., Service], own_store: OwnStore, tmp_path: Path
):
    service = service_in(tmp_path / "site", redis_url=own_store.url, stream_heartbeat="1s").start()
    with closing(connected(stream_url(service))) as connection:
        connection.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 2\r\n\r\n")
        received(connection, b"id: 2\n")
        with hanging(own_store.pid):
            eventually(lambda: service.check()["stale"])
            received(connection, b":\n\n:\n\n:\n\n")
        eventually(lambda: service.every_worker(lambda: not service.check()["stale"]))
        revision = service.change("payments", "kill")["revision"]
        received(connection, b"id: %d\n" % revision)


def test_streams_are_there_although_the_store_is_gone_at_the_start(
    service_in: Callable[..., Service], own_store: OwnStore, tmp_path: Path
):
    service = service_in(tmp_path / "site", redis_url=own_store.url).start()
    assert service.interrupt() == 0
    own_store.kill()
    service.options["stream_url"] = "https://flags.example.com"
    service.start()
    address = eventually(lambda: where_it_listens(service))
    with listening(address, seen=1) as source:
        told = next(events(source))  # which it knows from the disk
    assert (told.id, "lastModified" in told.json()) == ("2", False)
    own_store.start()


def where_it_listens(service: Service) -> str | None:
    """Asked of the system, where the store cannot say it."""
    for pid in stream_pids(service):
        inodes = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                return f"http://127.0.0.1:{int(fields[1].rpartition(':')[2], 16)}"
    return None


def test_a_stream_process_that_was_killed_comes_back_at_the_same_place(service: Service):
    service.start()
    url, (victim,) = stream_url(service), stream_pids(service)
    announced = service.folder / ".rollout" / "stream"
    with listening(url, seen=2) as source:
        next(source)
        os.kill(victim, signal.SIGKILL)
        assert ends(source)
    eventually(lambda: stream_pids(service) not in ([victim], []))
    eventually(announced.exists)
    assert announced.read_text() == url
    service.change("payments", "kill")
    with listening(url, seen=2) as source:
        assert next(events(source)).id == "3"


def test_while_it_does_not_run_nobody_is_sent_there(service: Service):
    service.start()
    announced = service.folder / ".rollout" / "stream"
    assert announced.read_text() == stream_url(service)
    url = httpx.URL(announced.read_text())
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with hanging(service.pid):  # who would start it again at once
            os.kill(stream_pids(service)[0], signal.SIGKILL)
            eventually(lambda: not stream_pids(service))
            eventually(lambda: took(squatter, url))
        eventually(lambda: not announced.exists())
        eventually(lambda: f"streams cannot listen on {url.host}:{url.port}: Address already in use" in service.said())
        assert service.check()["revision"] == 2
        eventually(lambda: event_streams(service) == [])
    eventually(lambda: event_streams(service), patience=60)


def took(squatter: socket.socket, url: httpx.URL) -> bool:
    """Whether the port is ours now; somebody's connection may have it as its own end for a while."""
    try:
        squatter.bind((url.host, url.port))
    except OSError as error:
        assert error.errno == errno.EADDRINUSE
        return False
    squatter.listen()
    return True


def test_streams_end_with_the_service_that_was_killed(service: Service):
    service.start()
    with listening(stream_url(service), seen=2) as source:
        next(source)
        service.kill()
        assert ends(source)
    eventually(lambda: not stream_pids(service))


def test_streams_end_with_the_service_that_was_stopped_although_clients_stay(service: Service):
    service.start()
    with listening(stream_url(service), seen=2) as source:
        next(source)
        assert service.interrupt() == 0
    assert processes_in(service.folder) == {}
    assert not (service.folder / ".rollout" / "stream").exists()
    assert "Traceback" not in service.said()


def test_streams_can_be_off(service: Service):
    service.options["stream_bind"] = "off"
    service.start()
    assert stream_pids(service) == []
    assert "stream" not in {server["kind"] for server in service.status()["servers"]}
    assert not (service.folder / ".rollout" / "stream").exists()


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(service: Service):
    with socket.create_server(("127.0.0.1", 0)) as other:
        service.options["stream_bind"] = f"127.0.0.1:{other.getsockname()[1]}"
        assert service.launch().ended() == 1
    assert "another address with --stream-bind" in service.said()
    assert processes_in(service.folder) == {}


@contextmanager
def neighbour() -> Iterator[int]:
    """A port that is taken while the one before it is free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        try:
            with socket.create_server(("127.0.0.1", port + 1)):
                yield port + 1
                return
        except OSError:
            continue


def test_a_port_that_nobody_asked_for_and_is_taken_is_replaced_by_another(service: Service):
    with neighbour() as taken:
        service.options["bind"] = f"127.0.0.1:{taken - 1}"
        service.start()
        assert stream_url(service) != f"http://127.0.0.1:{taken}"
    assert f"127.0.0.1:{taken} is taken" in service.said()
    assert httpx.get(stream_url(service) + "/healthz").status_code == 200


def test_clients_are_told_the_address_of_the_proxy(service: Service):
    service.options["stream_url"] = "https://flags.example.com/"
    service.start()
    assert stream_url(service) == "https://flags.example.com"


def test_streams_show_in_the_metrics_of_the_server(service: Service):
    service.start()
    with listening(stream_url(service), seen=1) as source:
        next(events(source))
        httpx.post(stream_url(service) + STREAM, content=b"x" * 100_000)
        eventually(lambda: metric(service, "rollout_streams_open") == 1)
        eventually(lambda: metric(service, "rollout_stream_events_total") == 1)
    eventually(lambda: metric(service, "rollout_streams_open") == 0)


def metric(service: Service, name: str) -> float | None:
    scraped = httpx.get(f"http://{service.address}/metrics").text
    found = re.search(rf"^{name} (\S+)$", scraped, re.M)
    return float(found[1]) if found else None
