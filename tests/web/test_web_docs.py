"""What docs/http.md shows is what happens: its examples are carried out, one after the other, and each answer has at
least the members that the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webkit import Site, read

from rollout.web.errors import STATUS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text()

EXAMPLE = re.compile(
    r"^```http\n(?P<request>.*?)^```\n(?:```json ?(?P<status>\d*)\n(?P<answer>.*?)^```\n)?", re.M | re.S
)
ONE_OF_A_KIND = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{32,64}")


def examples() -> Iterator[tuple[str, int, Any]]:
    for found in EXAMPLE.finditer(PAGE):
        yield found["request"], int(found["status"] or 200), json.loads(found["answer"] or "{}")


def carry_out(site: Site, request: str, status: int) -> Any:
    head, _, body = request.partition("\n\n")
    (method, address), *headers = (line.split(maxsplit=1) for line in head.splitlines())
    named = {name.rstrip(":"): value for name, value in headers}
    response = site.http.open(address, method=method, headers=named, data=body.encode())
    site.follow()
    assert response.status_code == status, (request, response.text)
    return response.get_json()


def shown_in(shown: Any, real: Any) -> bool:
    """Objects may have more than is shown and lists may go on; times, digests and ids differ."""
    if isinstance(shown, dict):
        return isinstance(real, dict) and all(name in real and shown_in(shown[name], real[name]) for name in shown)
    if isinstance(shown, list):
        return isinstance(real, list) and len(shown) <= len(real) and all(map(shown_in, shown, real))
    if isinstance(shown, str) and ONE_OF_A_KIND.fullmatch(shown):
        return ONE_OF_A_KIND.fullmatch(real) is not None
    return type(shown) is type(real) and shown == real


def founding_site() -> Site:
    site = Site()
    members = (ROOT / "employees.txt").read_bytes()
    file = read((ROOT / "flags.yaml").read_text(), load=lambda _: members)
    site.load_file(file)
    site.report = {"name": "flags.yaml", "state": "in force", "digest": file.digest, "problems": []}
    return site


def test_the_examples_on_the_page_are_true() -> None:
    site = founding_site()
    for request, status, answer in examples():
        real = carry_out(site, request, status)
        assert shown_in(answer, real), (request, real)


def test_the_page_shows_every_kind_of_call() -> None:
    shown = " ".join(request for request, _, _ in examples())
    for address in (
        "/v1/flags?",
        "/v1/flags/payments?",
        "/set",
        "/kill",
        "/resume",
        "/v1/outcomes",
        "/v1/simulate/",
        "/v1/plan",
        "/ofrep/",
        "/v1/audit",
        "/readyz",
        "/v1/keys",
    ):
        assert address in shown


def test_the_page_has_every_error_code_with_its_status() -> None:
    rows = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE[PAGE.index("## Errors") :], re.M))
    assert rows == {(str(status), code) for code, status in STATUS.items()}


def test_the_page_names_every_metric() -> None:
    site = founding_site()
    for request, status, _ in examples():
        carry_out(site, request, status)
    names = set(re.findall(r"^# TYPE (\w+)", site.counters.scrape()[0].decode(), re.M))
    assert names == set(re.findall(r"^\| `(rollout_\w+)", PAGE, re.M))
