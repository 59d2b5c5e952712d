"""When a worker hands the outcomes that it took, and whom it served, to the store: each second, and when it ends. Where
that cannot be done any more, it says how many outcomes are lost.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from multiprocessing.util import Finalize

from rollout.bootstrap.threads import Repeated
from rollout.core.errors import StoreUnavailable
from rollout.service.exposures import Exposures
from rollout.service.outcomes import Intake

log = logging.getLogger(__name__)

HAND_OVER_EVERY = 1.0  # seconds; what a worker that is killed may lose of the outcomes that it accepted


def start_handing_over(intake: Intake) -> None:
    """From now on, and once more when this process ends of its own accord, which workers do after the last
    answer. They leave without Python's `atexit`; what `multiprocessing` promises its processes holds."""
    Repeated("outcomes", lambda: _hand_over(intake), HAND_OVER_EVERY).start()
    Finalize(None, hand_over_last, args=[intake], exitpriority=1)


def start_counting(exposures: Exposures) -> None:
    """As above. Who was served in the last second of a worker that is killed is not counted."""
    Repeated("exposures", lambda: _count(exposures), HAND_OVER_EVERY).start()
    Finalize(None, _count, args=[exposures], exitpriority=1)


def hand_over_last(intake: Intake) -> None:
    try:
        intake.flush()
    except StoreUnavailable as error:
        log.error("this worker ends, and %s outcomes that it accepted are lost: %s", intake.buffered, error)


def _hand_over(intake: Intake) -> None:
    with suppress(StoreUnavailable):  # the log of the store says so, and a later round hands them over
        intake.flush()


def _count(exposures: Exposures) -> None:
    for flush in (exposures.flush, exposures.draws.flush):
        with suppress(StoreUnavailable):
            flush()
