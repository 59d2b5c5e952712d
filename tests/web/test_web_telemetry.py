"""Metrics over several workers, and log lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from rollout.core.evaluation import Answer, Reason
from rollout.service.measures import Asked
from rollout.telemetry import Counters

WORKER = """
import sys
from rollout.core.evaluation import Answer, Reason
from rollout.service.measures import Readings
from rollout.telemetry import Counters

checks, revision, stale = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "stale"
counters = Counters()
counters.watch(lambda: Readings(revision, stale))
answer = Answer("payments", True, "on", True, Reason.SPLIT, "stage 1%")
for _ in range(checks):
    counters.checked(answer)
counters.flush()
print("counted", flush=True)
sys.stdin.read()
print(counters.scrape()[0].decode())
"""

LOGGER = """
import logging, structlog
from rollout.telemetry import configure_logging

configure_logging(json=JSON)
structlog.get_logger("rollout").info("kill", flag="payments", reason="line\\nbreak", odd={1: object})
logging.getLogger("waitress").warning("from a %s", "library")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("broken")
"""

CHECKS = 'rollout_checks_total{flag="payments",reason="SPLIT",variant="on"}'


def worker(folder: Path, checks: int, revision: int, state: str = "fresh") -> subprocess.Popen[str]:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(checks), str(revision), state],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "counted\n"
    return process


def scraped(process: subprocess.Popen[str]) -> list[str]:
    """What a worker says at the end of its life."""
    return process.communicate("", timeout=30)[0].splitlines()


def test_any_worker_tells_for_all_of_them(tmp_path: Path) -> None:
    first, second = worker(tmp_path, 5, 41), worker(tmp_path, 7, 42, "stale")
    lines = scraped(first)
    assert f"{CHECKS} 12.0" in lines
    assert "rollout_revision 41.0" in lines
    assert "rollout_stale 1.0" in lines
    lines = scraped(second)
    assert f"{CHECKS} 12.0" in lines
    assert "rollout_revision 42.0" in lines, "a worker that is gone must not hold the oldest revision"


def test_nothing_counted_while_flushing_is_lost() -> None:
    counters = Counters()
    answers = [Answer(f"flag-{number}", True, "on", True, Reason.STATIC, "") for number in range(50)]
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            counters.flush()

    flusher = threading.Thread(target=flush)
    flusher.start()
    for _ in range(400):
        for answer in answers:
            counters.checked(answer)
    done.set()
    flusher.join()
    text = counters.scrape()[0].decode()
    assert sum(line.startswith("rollout_checks_total{") and line.endswith(" 400.0") for line in text.splitlines()) == 50


def test_what_several_threads_count_is_added_up() -> None:
    counters = Counters()
    for each in (counters, counters.beside(), counters.beside()):
        each.checked(Answer("payments", True, "on", True, Reason.STATIC, ""))
        each.responded("check", 200)
    for _ in range(2):
        text = counters.scrape()[0].decode()
        assert 'rollout_checks_total{flag="payments",reason="STATIC",variant="on"} 3.0' in text
        assert 'rollout_http_responses_total{call="check",status="200"} 3.0' in text


def logged(as_json: bool) -> str:
    code = LOGGER.replace("JSON", str(as_json))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr


def test_log_lines_for_machines_are_json_whoever_writes_them() -> None:
    kill, library, broken = map(json.loads, logged(True).splitlines())
    assert (kill["event"], kill["level"], kill["flag"], kill["reason"]) == ("kill", "info", "payments", "line\nbreak")
    assert (library["event"], library["level"]) == ("from a library", "warning")
    assert broken["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_log_lines_for_people_are_text() -> None:
    text = logged(False)
    assert "kill" in text
    assert "from a library" in text
    assert "ZeroDivisionError" in text


def test_what_was_asked_for_adds_up_over_the_threads_that_answer() -> None:
    otherwise = Answer("payments", True, "on", True, Reason.TARGETING_MATCH, "stage employees")
    outside = Answer("payments", False, "off", False, Reason.DEFAULT, "not admitted", drawn=False)
    inside = Answer("payments", True, "on", True, Reason.SPLIT, "stage 1%", drawn=True)
    counters = Counters()
    others = counters.beside()
    for _ in range(2):
        for each in (counters, others):
            each.checked(otherwise)
            each.checked(outside)
        others.all_checked((inside, inside))
        counters.flush()
    assert counters.asked == {"payments": Asked(checks=12, keyless=0, audience=8, inside=4, otherwise=4)}
