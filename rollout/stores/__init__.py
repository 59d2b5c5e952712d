"""The adapters of the FlagStore port: memory, Redis, and the Redis server that we run ourselves. One contract suite,
tests/store, holds for all of them. What they share stands here: how a commit is told to those who follow.
"""

from __future__ import annotations

from rollout.service.ports import Change, Commit

# Beyond these a follower reads everything anew, which takes milliseconds: the log of changes stays small in the store's
# memory (1024 changes of this size are 64 MiB, at the very worst).
MOST_FLAGS_TOLD = 64
MOST_BYTES_TOLD = 64 * 1024

FORKED = "the store's last audit entry is not the one that was there a moment ago"


def told(commit: Commit) -> Change:
    """`commit` as those who follow hear of it: the changed documents where they are few, else `whole`."""
    revision = commit.expected_revision + 1
    size = sum(len(document or b"") for document in commit.flags.values())
    if commit.shared is not None or len(commit.flags) > MOST_FLAGS_TOLD or size > MOST_BYTES_TOLD:
        return Change(revision, whole=True)
    return Change(revision, dict(commit.flags))
