"""The command that prints figures into the page: it writes what was printed, says what failed, and finds a connection that left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from . import figures
from .figures import FIGURES, PAGE, Figure, connections, machine, matching, table, taken, written


def test_every_figure_has_its_place_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in ("machine", *(figure.name for figure in FIGURES)):
        assert "\nnew\n" in written(page, name, ["new"])


def test_a_place_that_is_missing_is_said() -> None:
    with pytest.raises(ValueError, match="no place for kills"):
        written("nothing", "kills", [])


def test_only_the_lines_of_the_figure_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- figure machine -->\n<!-- end of machine -->\n<!-- figure one -->\nold\n<!-- end of one -->\nb\n")
    one = Figure("one", ("-c", "print('noise'); print('so: 7 kills within 2 s')"), matching(r"\d+ kills within"), {})
    monkeypatch.setattr(figures, "PAGE", page)
    monkeypatch.setattr(figures, "FIGURES", (one,))
    assert figures.main([]) == 0
    text = page.read_text()
    assert "<!-- figure one -->\n7 kills within 2 s\n\nTaken on 20" in text
    assert machine()[0] in text
    assert "old" not in text
    assert text.startswith("a\n")
    assert text.endswith("<!-- end of one -->\nb\n")
    with pytest.raises(SystemExit, match="no such figure: two"):
        figures.main(["two"])


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit('worse')", "worse"),
        ("print('nothing of use')", "exit code 0"),
        ("import sys; print('FAILED test_it - why'); sys.stderr.write('noise'); sys.exit(1)", "exit code 1: FAILED test_it - why"),
    ],
    ids=["fails", "says nothing", "says which"],
)
def test_a_command_that_fails_or_says_nothing_is_no_figure(code: str, told: str) -> None:
    lines, well = taken(Figure("one", ("-c", code), matching("kills"), {}))
    assert not well
    assert told in lines[0]


def test_the_tracer_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "STRACE", ("no-such-tracer", "-o"))
    assert taken(Figure("one", ("-c", ""), table, {}, traced=True)) == (["not taken: no-such-tracer is not installed"], False)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_what_a_program_connects_to_is_seen() -> None:
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    lines, well = taken(Figure("one", ("-c", code), connections, {}, traced=True))
    assert well
    assert lines[0] == "1 connections over IP, outside this machine: none"


def test_connections_that_leave_this_machine_are_named() -> None:
    start = '1 execve("/usr/bin/python3", ["python3"], 0x0 /* 1 vars */) = 0\n'
    call = '1 connect(3, {{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("{}")}}, 16) = 0\n'
    six = '1 connect(3, {{sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "{0}", &sin6_addr)}}, 28) = 0\n'
    assert connections(start + call.format("127.0.0.1") + six.format("::1")) == ["2 connections over IP, outside this machine: none"]
    assert connections(start + call.format("127.0.0.1") + call.format("192.0.2.7") + six.format("2001:db8::1")) == [
        "3 connections over IP, outside this machine: 192.0.2.7, 2001:db8::1"
    ]
    assert connections(call.format("192.0.2.7")) == []  # nothing was traced from its beginning
