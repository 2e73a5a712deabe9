"""For the MLOps engineer: nothing becomes champion without evidence. `aims gate` and `aims promote` do the same in a shell."""

import sys
from pathlib import Path

import aims_mlflow as aims

HERE = Path(__file__).parent
MODEL = "models:/credit-example/1"

decision = aims.check_promotion(MODEL, alias="champion", system=HERE / "aims.yaml")
for line in decision.lines:
    print(f"{line.state:<14} {line.control:<8} {line.reason}")
if not decision.allowed:
    sys.exit(decision.summary())
aims.promote(MODEL, "champion", system=HERE / "aims.yaml")
print(f"{MODEL} is champion now")
