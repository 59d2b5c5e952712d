"""The founding case fails at one bank: real processes, outcomes over HTTP, and nobody who stops anything by hand."""

from __future__ import annotations

import subprocess
from typing import Any

import orjson
from servekit import EMPLOYEE, IN_ONE_PERCENT, Service, eventually

from rollout.core.watch_documents import judged_again

A_MINUTE_AND_MORE = 240.0  # seconds: a guard judges a minute once it is over, and the machine may be busy
BATCH = 1000


def outcomes(bank: str, total: int, failed: int) -> list[dict[str, Any]]:
    said = {"flag": "payments", "metric": "upi-transfer", "by": {"bank": bank}}
    went_wrong = {"ok": False, "class": "technical"}
    return [
        {**said, "id": f"{bank}-{number}", **(went_wrong if number < failed else {"ok": True})}
        for number in range(total)
    ]


def report(service: Service, bank: str, total: int, failed: int = 0) -> None:
    sent = outcomes(bank, total, failed)
    for start in range(0, total, BATCH):
        batch = sent[start : start + BATCH]
        answer = service.ask("/v1/outcomes", body={"outcomes": batch}).document
        assert (answer["accepted"], answer["refused"]) == (len(batch), [])


def start_drill(service: Service) -> subprocess.Popen[bytes]:
    return service.begin("guard", "drill", "payments", "--within", f"{A_MINUTE_AND_MORE:g}", "--json")


def excluded(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.ask("/v1/status/payments").document.get("excluded", [])
    return found


def test_the_customers_of_the_failing_bank_lose_payments_and_nobody_else_until_a_person_lifts_it(service: Service):
    service.start()
    eventually(lambda: service.check(**EMPLOYEE)["on"])
    service.change("payments", "advance", to="first-million")
    drill = start_drill(service)
    for bank in ("ICICI", "HDFC"):
        report(service, bank, 5000)
    report(service, "SBI", 150, failed=75)
    eventually(lambda: excluded(service), A_MINUTE_AND_MORE)

    eventually(lambda: service.every_worker(lambda: not service.check(**IN_ONE_PERCENT, bank="SBI")["on"]))
    answer = service.check(**EMPLOYEE, bank="SBI")
    assert (answer["on"], answer["reason"], answer["guard"]) == (False, "DEFAULT", "upi-failures")
    for someone in (EMPLOYEE, IN_ONE_PERCENT):
        assert service.check(**someone, bank="ICICI")["on"]
        assert service.check(**someone)["on"]
    status = service.ask("/v1/status/payments").document
    assert (status["state"], status["stage"]["name"]) == ("rolling", "first-million")
    assert [(one["value"], one["guard"]) for one in status["excluded"]] == [("SBI", "upi-failures")]
    (sbi,) = [group for group in status["guards"][0]["groups"] if group["value"] == "SBI"]
    assert (sbi["excluded"], sbi["evidence_percent"], sbi["failures"]) == (True, 100, 75)

    (entry,) = [entry for entry in service.audit() if entry["action"] == "exclude"]
    evidence, judgement = judged_again(entry["evidence"])
    assert evidence.document() == entry["evidence"]["after"]
    assert judgement.breached
    assert (entry["actor"]["id"], entry["actor"]["kind"]) == ("guard:upi-failures", "guard")

    drilled = orjson.loads(drill.communicate(timeout=A_MINUTE_AND_MORE)[0])
    assert {guard["guard"] for guard in drilled["guards"]} == {"upi-failures", "upi-failures-overall"}

    resumed = service.command("resume", "payments", "--value", "SBI", "-m", "their fix is live", "-y", "--no-wait")
    assert resumed.returncode == 0, resumed.stderr
    assert eventually(lambda: service.every_worker(lambda: service.check(**IN_ONE_PERCENT, bank="SBI")["on"]))
