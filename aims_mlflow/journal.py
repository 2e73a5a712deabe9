"""What is known of a run while it goes on, on disk beside the spool: whoever sends the spool takes it over once the run's process is dead.

Each run that goes on has a folder ``.running-<random>`` with a lock that its process holds. The operating system lets go of the lock when
the process ends, however it ends: killed, out of memory, power cut. So a lock that can be had means that nobody will finish the run.
(POSIX record locks: children of ``fork`` do not inherit them, and they hold on network file systems. Windows has none: no journal there.)
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from aims_mlflow.spool_limits import DRAFT, GONE

log = logging.getLogger("aims_mlflow")

RUNNING = ".running-"
"""What the names of folders begin with that belong to runs which go on."""

LOCK = "lock"

_own: set[Path] = set()
"""Folders of this process: its own locks would not keep it away."""


class Journal:
    """The folder of one run that goes on. Made by ``begin``."""

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._handle = handle
        self._pid = os.getpid()

    def keep_only(self, name: str) -> None:
        """Remove all that an earlier ``name`` stood for: what is known now holds all of it."""
        for path in self.folder.iterdir():
            if path.is_dir() and path.name != name:
                shutil.rmtree(path, ignore_errors=True)

    def end(self) -> None:
        """Remove the folder: the run is over, or its evidence is on its way. Does nothing in a process that was forked off."""
        if os.getpid() != self._pid or self.folder not in _own:
            return
        _remove(self.folder)
        _own.discard(self.folder)
        os.close(self._handle)


def begin(spool: Path) -> Journal | None:
    """Make the folder of a run that begins; None where this system, or the disk's file system, has no locks.

    Raises:
        OSError: the disk refuses.
    """
    draft = spool / f"{DRAFT}{secrets.token_hex(8)}"
    draft.mkdir(parents=True, mode=0o700)
    handle = os.open(draft / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if not _lock(handle):
        os.close(handle)
        shutil.rmtree(draft, ignore_errors=True)
        return None
    folder = spool / draft.name.replace(DRAFT, RUNNING)
    _own.add(folder)
    draft.rename(folder)  # nobody sees it without its lock
    return Journal(folder, handle)


def ongoing(spool: Path) -> list[Path]:
    """Return the folders of all runs that have not ended, of living and of dead processes."""
    try:
        return sorted(path for path in spool.iterdir() if path.name.startswith(RUNNING))
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def taken_over(folder: Path) -> Iterator[bool]:
    """Hold a run's folder, if its process is dead; gives whether it is held. It is gone afterwards."""
    handle = -1
    try:
        if folder not in _own:
            with contextlib.suppress(OSError):  # another one was quicker, or it is not ours
                handle = os.open(folder / LOCK, os.O_RDWR)
        held = handle >= 0 and _lock(handle)
        yield held
        if held:
            _remove(folder)
    finally:
        if handle >= 0:
            os.close(handle)


def is_dead(folder: Path) -> bool:
    """Whether the process of a run is gone, without touching anything."""
    if folder in _own:
        return False
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        log.debug("a journal could not be locked: %s", error.strerror)
        return False
    return True


def _remove(folder: Path) -> None:
    gone = folder.with_name(folder.name.replace(RUNNING, GONE))
    with contextlib.suppress(OSError):  # somebody else did
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
