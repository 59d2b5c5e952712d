"""A staged rollout and feature-flag service: who has a flag, moved in stages, stopped in time."""

__version__ = "0.1.0"
