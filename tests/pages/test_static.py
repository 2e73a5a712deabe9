"""The pages as files: the same pages, links that lead to files, and nothing of anybody else's touched."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from click.testing import CliRunner

from aims_mlflow.cli import main
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.pages.addresses import Address
from aims_mlflow.pages.site import Site
from aims_mlflow.pages.writing import ONCE, Written, write_pages

from . import world as worlds
from .reading import read


@pytest.fixture(scope="module")
def written(world: worlds.World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    folder = tmp_path_factory.mktemp("static") / "pages"
    with worlds.at_home(world):
        return folder, write_pages(Site(world.store, static=True, patience=ONCE), folder)


def test_every_page_is_a_file_that_says_what_the_server_says(written: tuple[Path, Written], world: worlds.World) -> None:
    folder, done = written
    with worlds.at_home(world):
        site = Site(world.store)
        every = site.addresses()
        assert done.pages == len(every) == len(list(folder.rglob("index.html")))
        for address in (Address(), *(a for a in every if a.kind == "system" and a.system in ("loans", "broken"))):
            file = read((folder / address.path / "index.html").read_text("utf-8"))
            live = read(site.page(address).html)
            assert file.text == live.text.replace("MLflow", "", 1)  # nothing leads to MLflow's own pages
            assert file.ids == live.ids


def test_every_link_leads_to_a_file_and_a_place_in_it(written: tuple[Path, Written]) -> None:
    folder, _ = written
    files = {path: read(path.read_text("utf-8")) for path in folder.rglob("index.html")}
    for path, one in files.items():
        for link in one.links:
            whole, anchor = urldefrag(urljoin(path.as_uri(), link))
            there = Path(unquote(urlsplit(whole).path))
            assert there in files, (path, link)
            assert not anchor or anchor in files[there].ids, (path, link)


def test_files_that_are_the_same_already_stay_and_old_ones_go(world: worlds.World, tmp_path: Path) -> None:
    with worlds.at_home(world):
        write_pages(Site(world.store, static=True, patience=ONCE), tmp_path, systems=["loans"])
        old = tmp_path / "systems" / "gone" / "record" / "index.html"
        old.parent.mkdir(parents=True)
        old.write_text("old")
        kept = tmp_path / "systems" / "loans" / "index.html"
        before = kept.stat().st_mtime_ns
        assert write_pages(Site(world.store, static=True, patience=ONCE), tmp_path, systems=["unregistered"]).removed == 0
        assert old.exists()
        done = write_pages(Site(world.store, static=True, patience=ONCE), tmp_path)
    assert done.removed == 1
    assert not (tmp_path / "systems" / "gone").exists()
    assert kept.stat().st_mtime_ns == before


def test_a_folder_of_somebody_elses_is_left_alone(world: worlds.World, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with worlds.at_home(world), pytest.raises(ConfigurationError, match="holds something else"):
        write_pages(Site(world.store, static=True), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]


def test_the_command_writes_them(world: worlds.World, tmp_path: Path) -> None:
    with worlds.at_home(world):
        done = CliRunner().invoke(main, ["pages", "--out", str(tmp_path / "out"), "--system", "no-record"])
        unknown = CliRunner().invoke(main, ["pages", "--out", str(tmp_path / "other"), "--system", "nobody"])
    assert done.exit_code == 0
    assert "2 pages of 1 system" in done.output
    assert "aims summarise no-record" in (tmp_path / "out" / "systems" / "no-record" / "index.html").read_text("utf-8")
    assert unknown.exit_code == 2
    assert "there is no system 'nobody'" in unknown.output
    assert not (tmp_path / "other").exists()
