"""What is compared and comes from others, by package name: nginx and wrk from the system, and Python packages in an
environment of their own, beside which this product is installed as it is here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / ".peers"
PYTHON = FOLDER / "bin" / "python"
SYSTEM = {"nginx": "nginx-light", "wrk": "wrk", "taskset": "util-linux"}  # program: package
PACKAGES = (
    "gunicorn",
    "configcat-client",
    "eppo-server-sdk",
    "flagsmith",
    "growthbook",
    "launchdarkly-server-sdk",
    "openfeature-provider-flagd",
    "posthog",
    "statsig-python-core",
    "UnleashClient",
)


def install() -> dict[str, str]:
    """Python packages that could not be installed, and why. Raises SystemExit where a program of the system's is
    missing and cannot be installed."""
    have_programs()
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    pip("--editable", f"{HERE.parent}[server]").check_returncode()
    if pip(*PACKAGES).returncode == 0:
        return {}
    return {package: said for package in PACKAGES if (said := why_not(package))}


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def why_not(package: str) -> str:
    done = pip(package)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]


def have_programs() -> None:
    packages = [package for program, package in SYSTEM.items() if shutil.which(program) is None]
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # starts no service
        subprocess.run(["apt-get", "update", "-qq"], check=False, env=quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True, env=quiet)
    missing = [program for program in SYSTEM if shutil.which(program) is None]
    if missing:
        raise SystemExit(
            f"Missing: {', '.join(missing)}. As root: apt-get install -y {' '.join(map(SYSTEM.get, missing))}"
        )


def version(package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=False).stdout.strip() or "?"


if __name__ == "__main__":
    print(install() or "All are there.")
