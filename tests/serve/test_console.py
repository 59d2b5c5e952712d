"""The console of a real service: any of its workers takes the form that another one gave."""

from __future__ import annotations

import re

import httpx
from servekit import PATIENCE, Service, eventually

FORM = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def opened(service: Service, verb: str) -> httpx.Response:
    page = httpx.get(f"http://{service.address}/flags/payments/{verb}", timeout=PATIENCE)
    assert page.status_code == 200, page.text
    return page


def send(service: Service, verb: str, page: httpx.Response) -> None:
    """Its form, over another connection, which may lead to another worker."""
    fields = {**dict(FORM.findall(page.text)), "reason": verb, "name": "asha"}
    address = f"http://{service.address}/flags/payments/{verb}"
    answer = httpx.post(address, data=fields, cookies=page.cookies, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    state = {"halt": "halted", "resume": "rolling"}[verb]
    eventually(lambda: service.every_worker(lambda: service.ask("/v1/status/payments").document["state"] == state))


def test_a_form_from_one_worker_is_taken_by_all_also_after_a_restart(service: Service) -> None:
    service.start()
    for _ in range(4):
        send(service, "halt", opened(service, "halt"))
        send(service, "resume", opened(service, "resume"))
    page = opened(service, "halt")
    service.interrupt()
    service.start()
    send(service, "halt", page)


class Visitor:
    """Somebody's browser, as far as a session needs one. Each request has a connection of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cookies = httpx.Cookies()

    def ask(self, path: str, **fields: str) -> httpx.Response:
        url = f"http://{self.service.address}{path}"
        with httpx.Client(cookies=self.cookies, timeout=PATIENCE) as client:
            answer = client.post(url, data=fields) if fields else client.get(url)
            self.cookies = client.cookies
        return answer

    def send(self, on: str, to: str, **fields: str) -> httpx.Response:
        return self.ask(to, **dict(FORM.findall(self.ask(on).text)), **fields)

    def log_in(self, key: str) -> None:
        assert self.send("/login", "/login", key=key).status_code == 303

    def copy(self) -> Visitor:
        """Whoever got hold of the cookies."""
        other = Visitor(self.service)
        other.cookies.update(self.cookies)
        return other

    def is_in(self) -> bool:
        return self.ask("/").status_code == 200


def everywhere_out(service: Service, visitor: Visitor) -> None:
    eventually(lambda: service.every_worker(lambda: not visitor.is_in()))


def key_for(service: Service, role: str) -> str:
    made = service.command("keys", "create", "--role", role, "--name", role)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_copied_session_ends_on_every_worker_when_it_is_logged_out_of_and_stays_so(service: Service) -> None:
    service.start()
    admin = key_for(service, "admin")
    visitor, other = Visitor(service), Visitor(service)
    eventually(lambda: service.every_worker(lambda: not visitor.is_in()))
    visitor.log_in(admin)
    other.log_in(admin)
    thief = visitor.copy()
    assert service.every_worker(thief.is_in)
    assert visitor.send("/", "/logout").headers["Location"] == "/login"
    everywhere_out(service, thief)
    assert service.every_worker(other.is_in)
    service.interrupt()
    service.start()
    everywhere_out(service, thief)
    assert service.every_worker(other.is_in)


def test_a_session_ends_on_every_worker_when_its_key_is_revoked(service: Service) -> None:
    service.start()
    admin = key_for(service, "admin")
    visitor = Visitor(service)
    eventually(lambda: service.every_worker(lambda: not visitor.is_in()))
    made = service.ask("/v1/keys", body={"role": "operator", "name": "ravi"}, key=admin).document["secret"]
    eventually(lambda: service.every_worker(lambda: service.ask("/v1/flags/payments", key=made).status == 200))
    visitor.log_in(made)
    assert service.every_worker(visitor.is_in)
    service.ask(f"/v1/keys/{made.split('_')[2]}/revoke", body={"reason": "left"}, key=admin)
    everywhere_out(service, visitor)
