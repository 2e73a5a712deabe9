"""Every way in which a request can change something on an MLflow server, and what keeps it from promoting what is unproven.

Held against the running app by ``test_routes.py``: where MLflow adds a route, somebody has to say here what it can do. Routes stand
without ``/api/2.0/`` or ``/ajax-api/3.0/`` before them.
"""

from __future__ import annotations

GATED = "decided by the gate"
TAGS = "aims.* tags are kept true"
NOT_THIS = "cannot move an alias or a stage, nor what a version is loaded from"
BYTES = "can change a model's files or its evidence: found before the next promotion, and by `aims audit`"
EVIDENCE = "can change a run: the gate reads its status and its signed evidence, and nothing else of it"

ROUTES: dict[tuple[str, str], str] = {
    ("POST", "mlflow/registered-models/alias"): GATED,
    ("DELETE", "mlflow/registered-models/alias"): GATED,
    ("POST", "mlflow/registered-models/rename"): GATED,
    ("DELETE", "mlflow/registered-models/delete"): GATED,
    ("POST", "mlflow/model-versions/transition-stage"): GATED,
    ("DELETE", "mlflow/model-versions/delete"): GATED,
    ("POST", "mlflow/registered-models/create"): TAGS,
    ("POST", "mlflow/model-versions/create"): TAGS,
    ("POST", "mlflow/registered-models/set-tag"): TAGS,
    ("DELETE", "mlflow/registered-models/delete-tag"): TAGS,
    ("POST", "mlflow/model-versions/set-tag"): TAGS,
    ("DELETE", "mlflow/model-versions/delete-tag"): TAGS,
    ("PATCH", "mlflow/registered-models/update"): NOT_THIS,  # the description
    ("PATCH", "mlflow/model-versions/update"): NOT_THIS,
    ("POST", "mlflow/registered-models/get-latest-versions"): NOT_THIS,  # reads
    ("PUT", "mlflow-artifacts/artifacts/<artifact_path>"): BYTES,
    ("DELETE", "mlflow-artifacts/artifacts/<artifact_path>"): BYTES,
    ("POST", "mlflow-artifacts/mpu/create/<artifact_path>"): BYTES,
    ("POST", "mlflow-artifacts/mpu/complete/<artifact_path>"): BYTES,
    ("POST", "mlflow-artifacts/mpu/abort/<artifact_path>"): BYTES,
    ("POST", "mlflow/artifacts/presigned-upload-url"): BYTES,
    ("POST", "mlflow/artifacts/presigned-download-url"): NOT_THIS,
    ("POST", "mlflow/upload-artifact"): BYTES,
    ("POST", "mlflow/demo/generate"): GATED,  # makes prompts, by the same store
    ("POST", "mlflow/demo/delete"): GATED,
}
"""Routes of the registry and of artifacts, one by one."""

ELSEWHERE: dict[str, str] = {
    "mlflow/runs/": EVIDENCE,
    "mlflow/experiments/": EVIDENCE,
    "mlflow/logged-models": EVIDENCE,  # where the files lie is said when it is made; afterwards tags, params and its status
    "mlflow/datasets/": NOT_THIS,
    "mlflow/traces": NOT_THIS,
    "mlflow/scorer": NOT_THIS,
    "mlflow/gateway": NOT_THIS,
    "mlflow/genai/": NOT_THIS,
    "mlflow/issues": NOT_THIS,
    "mlflow/jobs/": NOT_THIS,
    "jobs/": GATED,  # what a job writes to the registry goes through this server, or through a store as gated as its own
    "mlflow/label-schemas": NOT_THIS,
    "mlflow/prompt-optimization/": GATED,  # its job makes prompts through this server
    "mlflow/review-queues": NOT_THIS,
    "mlflow/ui-telemetry": NOT_THIS,
    "mlflow/webhooks": NOT_THIS,  # told after the write; they cannot change it
    "mlflow/workspaces": NOT_THIS,  # a gated server does not start with them
    "mlflow/users/": NOT_THIS,  # who may ask; the gate answers all alike
    "mlflow/roles/": NOT_THIS,
    "mlflow/mcp-servers": NOT_THIS,  # aliases of servers of tools, in tables of their own
    "mlflow/assistant/": NOT_THIS,
    "/gateway/": NOT_THIS,
    "/v1/traces": NOT_THIS,
    "/graphql": NOT_THIS,  # its schema has no mutation that writes, which a test holds
}
"""Routes of other parts, by what they begin with."""
