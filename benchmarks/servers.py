"""The servers that are compared, each with the founding file and as many more flags as make a hundred, all at
their first shares, and a client's key.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from machine import Contender, answering, family, free_port, pinned
from peers import PYTHON

HERE = Path(__file__).parent
ROOT = HERE.parent
FIXED = '{"flag":"payments","on":false,"value":false,"variant":"off","reason":"DEFAULT","revision":3,"stale":false}'
NGINX, OURS, FLASK, GUNICORN = "nginx, a fixed 200", "rollout", "rollout, Flask's routing", "gunicorn gthread, Flask"

SHARES = ("1%", "1%", "5%", "25%")
SEGMENTS = ("india", "android", "ios", "young-app")
MATCHES = (
    ("android", "{ platform: android }"),
    ("ios", "{ platform: ios }"),
    ("young-app", '{ app_version: ">=2.0.0" }'),
)
MORE = """
  {key}:
    description: One of many
    owner: benchmark@example.com
    enabled: true
    rollout: {{ audience: {audience}, bake: 14d, stages: [employees, {share}, 100%] }}
"""


def flags_file(count: int = 100, more: str = MORE) -> str:
    """The founding case, and as many more flags as make up the number: shares of four segments, half of them small."""
    text = (ROOT / "flags.yaml").read_text()
    segments = "".join(
        f"  {name}:\n    description: For the benchmark\n    match: {match}\n\n" for name, match in MATCHES
    )
    others = "".join(
        more.format(key=f"flag-{n}", audience=SEGMENTS[n % 4], share=SHARES[n // 4 % 4]) for n in range(count - 3)
    )
    return text.replace("guards:\n", segments + "guards:\n", 1) + others


def write_flags(folder: Path, count: int = 100, more: str = MORE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "employees.txt").write_text((ROOT / "employees.txt").read_text())
    (folder / "flags.yaml").write_text(flags_file(count, more))
    return folder / "flags.yaml"


def contenders(folder: Path, stack: ExitStack) -> Iterator[tuple[str, Contender]]:
    yield NGINX, nginx(folder, stack)
    for name, fast_path in ((OURS, "on"), (FLASK, "off")):
        yield name, rollout(folder / fast_path, stack, fast_path)
    yield GUNICORN, gunicorn(folder / "gunicorn", stack)


def nginx(folder: Path, stack: ExitStack) -> Contender:
    port, configuration = free_port(), folder / "nginx.conf"
    configuration.write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000000;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json;\n"
        "add_header X-Content-Type-Options nosniff; add_header Cache-Control no-store;\n"
        f"return 200 '{FIXED}'; }} }} }}\n"
    )
    url = f"http://127.0.0.1:{port}"
    process = stack.enter_context(pinned(["nginx", "-c", str(configuration)], url, folder))
    return Contender(url, lambda: family(process.pid))


def rollout(
    folder: Path,
    stack: ExitStack,
    fast_path: str = "on",
    *,
    workers: int = 1,
    flags: int = 100,
    more: str = MORE,
    cores: str = "0",
) -> Contender:
    write_flags(folder, flags, more)
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "rollout.cli", "serve", "--bind", url.removeprefix("http://")]
    command += ["--workers", str(workers), "--fast-path", fast_path]
    process = stack.enter_context(pinned(command, f"{url}/readyz", folder, cores))
    return prepared(Contender(url, lambda: answering(process.pid, "rollout.bootstrap.web_process")))


def gunicorn(folder: Path, stack: ExitStack) -> Contender:
    path = write_flags(folder)
    url = f"http://127.0.0.1:{free_port()}"
    command = [str(PYTHON), "-m", "gunicorn", "-k", "gthread", "--threads", "4", "-w", "1", "--keep-alive", "600"]
    command += ["--bind", url.removeprefix("http://"), "--log-level", "warning", "flask_app:app"]
    known = {"PYTHONPATH": str(HERE), "ROLLOUT_BENCH_FLAGS": str(path)}
    process = stack.enter_context(pinned(command, f"{url}/healthz", folder, **known))
    return prepared(Contender(url, lambda: family(process.pid)))


def prepared(one: Contender) -> Contender:
    """Every flag of the hundred at its first share, and keys: an admin's, which ends that everybody may ask, and the
    key of the app which asks."""
    change(one, "/v1/flags/payments/set", {"share": "1%"})
    for number in range(97):
        change(one, f"/v1/flags/flag-{number}/set", {"share": SHARES[number // 4 % 4]})
    admin = Contender(one.url, one.pids, key_of(one, "admin"))
    found = Contender(one.url, one.pids, key_of(admin, "client"), admin.key)
    until_all_know(found)
    return found


def until_all_know(one: Contender) -> None:
    """A new key works in the worker that made it, and in the others within two seconds."""
    began = refused = time.monotonic()
    while time.monotonic() < refused + 2:
        if not lets_in(one):
            refused = time.monotonic()
        if refused > began + 20:
            raise RuntimeError("some workers do not know the key")


def lets_in(one: Contender) -> bool:
    try:
        with urlopen(Request(one.url + "/v1/flags/payments?user_id=u-1", headers={"X-API-Key": one.key}), timeout=10):
            return True
    except HTTPError:
        return False


def key_of(one: Contender, role: str) -> str:
    said = change(one, "/v1/keys", {"role": role, "name": "benchmark"})
    return str(said["secret"])


def change(one: Contender, path: str, body: dict[str, object], key: str = "") -> dict[str, object]:
    headers = {"Content-Type": "application/json"}
    if key or one.key:
        headers["Authorization"] = f"Bearer {key or one.key}"
    request = Request(one.url + path, json.dumps(body | {"reason": "benchmark"}).encode(), headers)
    with urlopen(request, timeout=30) as answer:
        said: dict[str, object] = json.load(answer)
    return said
