"""What holds for every test."""

from __future__ import annotations

import signal

# A shell that runs the tests in the background has them ignore Ctrl-C, and every process that they start would inherit
# that, also those that shall be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
