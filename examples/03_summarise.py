"""For the governance lead: the impact and risk records of a system, in MLflow and as one page."""

from pathlib import Path

import aims_mlflow as aims

HERE = Path(__file__).parent

record = aims.summarise(HERE / "aims.yaml", out=HERE)
print(f"{record.system.id}: see record.html beside this file, or the experiment aims/{record.system.id} in the MLflow UI")
