"""`python -m rollout.cli` is `rollout`."""

from __future__ import annotations

from rollout.cli import main

main()
