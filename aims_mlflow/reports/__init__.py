"""A gate's decision in the forms that CI servers show: JUnit XML, SARIF, Markdown. The room only writes; it decides nothing."""

from __future__ import annotations

from aims_mlflow.reports.junit import junit
from aims_mlflow.reports.markdown import markdown
from aims_mlflow.reports.sarif import sarif
from aims_mlflow.reports.writing import write_report

__all__ = ["junit", "markdown", "sarif", "write_report"]
