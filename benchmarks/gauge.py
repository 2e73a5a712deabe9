"""What a process has in use, as it sees itself every few seconds: resident memory also holds what malloc keeps for later.

A process begins by itself where ``FOLDER`` names a folder and ``environment`` is its environment; Linux with glibc 2.33 or later.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = "AIMS_GAUGE_FOLDER"

EVERY = 2.0
"""Seconds between two readings."""

FIRST = "from benchmarks.gauge import begin\nbegin()\n"
"""What Python runs in every process before anything else (as sitecustomize)."""


class Reading(NamedTuple):
    """A process at a moment: seconds since 1970, resident bytes, bytes in use and bytes held by malloc, and Python's blocks in use.

    Python's own allocator serves what is up to 512 bytes, malloc the rest: between them they know all that the heap is used for.
    """

    at: float
    resident: int
    used: int
    held: int
    blocks: int


class _Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of glibc (mallinfo(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    )


def environment(folder: Path) -> Mapping[str, str]:
    """Return what lets every process of a program write its readings into a folder."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(FIRST)
    paths = (str(folder), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    return {FOLDER: str(folder), "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def begin() -> None:
    """Take readings from here on, in this process and in those that it forks."""
    folder = os.environ.get(FOLDER)
    libc: Any = ctypes.CDLL(None)
    if not folder or not hasattr(libc, "mallinfo2"):
        return
    libc.mallinfo2.restype = _Mallinfo

    def go_on() -> None:
        with Path(folder, f"{os.getpid()}.txt").open("a", buffering=1) as file:
            while True:
                print(*_reading(libc), file=file)
                time.sleep(EVERY)

    def start() -> None:
        threading.Thread(target=go_on, name="gauge", daemon=True).start()

    start()
    os.register_at_fork(after_in_child=start)


def _reading(libc: Any) -> Reading:
    heap = libc.mallinfo2()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Reading(time.time(), resident, heap.uordblks + heap.hblkhd, heap.arena + heap.hblkhd, sys.getallocatedblocks())


def readings(folder: Path, since: float) -> dict[int, list[Reading]]:
    """Return process -> its readings from a moment on, of those that have any."""
    found: dict[int, list[Reading]] = {}
    for file in folder.glob("*.txt"):
        lines = [line.split() for line in file.read_text().splitlines()]
        whole = [Reading(float(at), *map(int, counts)) for at, *counts in lines if len(counts) == len(Reading._fields) - 1]
        if some := [one for one in whole if one.at >= since]:
            found[int(file.stem)] = some
    return found
