"""The command line: what operators, developers and CI do with the service, from a terminal or a script.

app          the verbs, and how a command ends      exits       the table of exit codes
commands/    one module a verb                      options     the options they share
gateway      the way to the desk                    http_desk   over HTTP; `straight` on the store
changing     look, ask, do, tell                    spread      how many servers have a change, of those in `servers`
overview     all flags in a table                   one_flag    one flag with its stages and its history
looking      again and again, through outages       watching    `status -w`, on a `screen` or in a pipe
awaiting     `status --wait-for`                    differences what a file changes
terminal     tables, colour, safe text              words       documents in words; `times` on the reader's clock
histories    counts of the past, from CSV           backtests   what a guard would have done with them
files        the flags file and what goes with it   reference   writes docs/cli.md
"""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from rollout.cli.app import app  # noqa: PLC0415  # the client is installed without what this takes
    except ModuleNotFoundError as error:
        sys.exit(f"the command line takes {error.name}, which is not installed: pip install 'rollout[server]'")
    app.main()
