"""What holds for every test."""

from __future__ import annotations

import signal

# A shell that runs the tests in the background has them ignore Ctrl-C, and `nohup` a closed terminal; every process
# that they start would inherit that, also those that shall be told to stop.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
