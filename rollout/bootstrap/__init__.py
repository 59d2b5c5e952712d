"""The one place where real parts meet. `rollout serve` is four kinds of processes: the server process, which owns the
store, the flags file and the data folder; the web process, from which workers are made; the workers, which
answer; and the stream process, which clients stay connected to.

    settings      Settings                what the command line and the environment say
    serving       serve                   the server process, from start to stop
    signals       Signals                 Ctrl-C and its like, as something to wait for
    port          free_port               whether somebody else listens there
    reach         check_reach             nobody else reaches a service without keys
    ready         announce_once           the one line that says so
    supervised    Supervised              in the server process: starts another process, and again when it ends
    web_process   python -m ...           what workers come from
    prefork       Workers                 makes them, and another for each that dies
    worker        work                    what a worker is made of
    stream_process  python -m ...         what the stream process is made of
    stream_address  StreamAddress         where that listens, told to the workers
    stream_settings StreamSettings        what is said about it
    open_files    allow_many_files        as many connections as the system lets us have
    memory        collect_seldom          reading many flags does not hold up checks
    file_keeper   FileKeeper              watches flags.yaml and keeps it in force
    file_reports  FileReports             how the file stands, told to the workers
    snapshots     SnapshotKeeper          from the store to the disk, for when the store is away at start
    heartbeat     Heartbeat               tells everybody what this process serves
    parent        end_with                no process outlives the one that started it
    threads       Repeated                what is done again and again, whatever happens
"""

from __future__ import annotations

from rollout.bootstrap.settings import Settings, settings_from

__all__ = ["Settings", "serve", "settings_from"]


def serve(settings: Settings) -> int:
    """Runs the service until it is told to stop, and answers with the exit code. Raises RolloutError when it cannot
    start."""
    from rollout.bootstrap.serving import serve as run  # noqa: PLC0415  # workers need none of this

    return run(settings)
