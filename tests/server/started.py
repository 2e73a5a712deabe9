"""``python -m tests.server.started``: one start of a gated server with the pages, as its documentation says, and what is first asked of it.

For whoever looks at which connections it makes: no switch of MLflow's telemetry is set.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.server.serving import Server, policies

SWITCHES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "CI")


def main() -> int:
    """Start it, ask it, stop it; 1 where an answer is not the one that is expected."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        env = {"AIMS_POLICY_DIR": str(policies(folder / "policies")), **dict.fromkeys(SWITCHES)}
        server = Server(folder, f"sqlite:///{folder / 'mlflow.db'}", env=env, more=("--app-name", "aims")).start()
        try:
            answers = {
                "experiments": server.api("GET", "experiments/search?max_results=1").status == 200,
                "inventory": server.ask("GET", "/aims/").status == 200,
                "model": server.api("POST", "registered-models/create", {"name": "golden"}).status == 200,
                "alias": server.api("POST", "registered-models/alias", {"name": "golden", "alias": "champion", "version": "1"}).status
                >= 400,
            }
        finally:
            server.stop()
    sys.stdout.write(f"{answers}\n")
    return 0 if all(answers.values()) else 1


if __name__ == "__main__":
    os.environ.pop("CI", None)
    sys.exit(main())
