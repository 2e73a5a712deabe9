"""``python -m aims_mlflow.cli``: the same as ``aims``."""

from aims_mlflow.cli import main

main(prog_name="aims")
