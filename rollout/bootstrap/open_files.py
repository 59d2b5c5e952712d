"""How many files, and so connections, a process may have open. Shells and service managers give it few, and let it take
more."""

from __future__ import annotations

import resource

FILES = 65536


def allow_many_files(wanted: int = FILES) -> int:
    """As many as it wants, or as it may have; says how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return wanted if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
