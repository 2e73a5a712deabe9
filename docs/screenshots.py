"""Makes docs/images/pages-*.png again: real systems, a real server, a real Chromium. ``python docs/screenshots.py [FOLDER]``.

The systems are made in FOLDER (default: a temporary one; where it has been filled before, it is taken as it is): the demo's
credit model in two versions, a second system of which people have said little, and a third one that nobody has summarised.
It takes about three minutes.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

IMAGES = Path(__file__).parent / "images"
LARGEST = 150_000
SIZE = {"width": 1280, "height": 900}
AIMS = str(Path(sys.executable).with_name("aims"))


def main() -> None:
    """Make the systems, serve them, and take the pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).absolute()
        if not (folder / "demo" / "mlflow.db").exists():
            folder.mkdir(exist_ok=True)
            made(folder)
        with served(folder) as address:
            for name, way in pages(address).items():
                taken(name, way)


def made(folder: Path) -> None:
    """Make the systems in a folder."""
    demo = folder / "demo"
    env = home(folder)
    run(env, folder, AIMS, "demo", "--dir", str(demo))
    script, declared = demo / "train.py", demo / "aims.yaml"
    first, said = script.read_text(), declared.read_text()
    script.write_text(first.replace("max_iter=1000,", 'max_iter=1000, C=0.02, class_weight="balanced",'))
    run(env, demo, "git", "-c", "user.name=demo", "-c", "user.email=demo@example.org", "commit", "-qam", "Weigh both classes alike")
    run(env, demo, sys.executable, "train.py")
    subprocess.run([AIMS, "promote", "models:/credit-scoring/2", "champion"], cwd=demo, env=env)  # noqa: S603 - the gate may well refuse it
    run(env, demo, AIMS, "summarise", "aims.yaml")
    script.write_text(first)
    for system, name, asked in (("card-limits", "Card limits", True), ("overdrafts", "Overdrafts", False)):
        little = said.partition("\nattestations:")[0].replace("credit-scoring", system)
        declared.write_text(re.sub(r"(?m)^(  name: ).*$", rf"\g<1>{name}", little, count=1))
        run(env | {"MLFLOW_EXPERIMENT_NAME": system}, demo, sys.executable, "train.py")
        if asked:
            run(env, demo, AIMS, "summarise", "aims.yaml")
    declared.write_text(said)


def home(folder: Path) -> dict[str, str]:
    """Return the environment in which everything is made and served: a store and keys of its own."""
    uri = f"sqlite:///{folder / 'demo' / 'mlflow.db'}"
    own = {
        "AIMS_HOME": str(folder / "home"),
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_REGISTRY_URI": uri,
        "MLFLOW_EXPERIMENT_NAME": "credit-scoring",
    }
    return {k: v for k, v in os.environ.items() if k != "AIMS_POLICY_DIR"} | own | {"MLFLOW_DISABLE_TELEMETRY": "true"}


def run(env: Mapping[str, str], folder: Path, *command: str) -> None:
    """Run a command; a failure ends everything."""
    subprocess.run(command, cwd=folder, env=dict(env), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - commands of ours


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the systems; gives the address of the pages."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "aims", "--port", str(port), "--workers", "1"]
    env = home(folder) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command += ["--backend-store-uri", env.pop("MLFLOW_TRACKING_URI"), "--artifacts-destination", str(folder / "artifacts")]
    env.pop("MLFLOW_REGISTRY_URI")
    server = subprocess.Popen(command, cwd=folder / "demo", env=env, start_new_session=True)  # noqa: S603 - our own server
    try:
        pause = threading.Event()
        while server.poll() is None:
            try:
                urlopen(f"http://127.0.0.1:{port}/health").read()
                break
            except URLError:
                pause.wait(0.2)
        yield f"http://127.0.0.1:{port}/aims/"
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def pages(address: str) -> dict[str, str]:
    """Return the pages to show: name -> where."""
    system = f"{address}systems/credit-scoring/"
    html = urlopen(system).read().decode()  # noqa: S310 - our own server
    (version,) = set(re.findall(r'href="(versions/v-[0-9a-f]{16}/)"><code>models:/credit-scoring/2<', html))
    ways = re.findall(r'href="(differences/v-[0-9a-f]{16}/v-[0-9a-f]{16}/)', html)
    difference = next(way for way in ways if way.endswith(version.removeprefix("versions/")))
    return {
        "inventory": address,
        "system": system,
        "controls": f"{system}#controls",
        "risks": f"{system}#risks",
        "version": system + version,
        "difference": system + difference,
    }


def taken(name: str, where: str) -> None:
    """Take a picture of a page, light and dark."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            context: Any = browser.new_context(viewport=SIZE, color_scheme=scheme)
            page = context.new_page()
            page.goto(where)
            image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
            file = IMAGES / f"pages-{name}-{scheme}.png"
            image.save(file, optimize=True)
            print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")  # noqa: T201 - a command that says what it has made
            if file.stat().st_size > LARGEST:
                sys.exit(f"{file} is larger than {LARGEST} bytes")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
