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
