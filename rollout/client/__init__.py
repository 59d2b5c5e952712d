"""The Python client: who has a flag, answered in your own process in a microsecond or two, by the service's own code.
It needs neither Flask nor Redis nor PyYAML.

    rollout      Rollout                    what a program makes one of: answers, and keeps itself up to date
    answering    is_on, value, details ...  the answers, from an edition
    editions     Edition                    the ruleset, compiled, swapped whole
    reading      Reader                     what a program passes, read as the service reads it
    explaining, asking, overriding          why; what an answer depends on; answers that a test asks for
    refreshing   Refresher                  fetches what changed, on a thread of its own
    pushing      Pusher                     listens when to fetch
    reporting    Reporter                   outcomes, in batches
    transport    Transport                  HTTP with bounds
    kept         Kept                       the last ruleset on disk
    forking                                 begins again in child processes
    flask, openfeature, testing             for those who use them; each says what it takes
"""

from __future__ import annotations

from rollout.client.answering import Details
from rollout.client.rollout import Rollout
from rollout.core.explanation import Explanation

__all__ = ["Details", "Explanation", "Rollout"]
