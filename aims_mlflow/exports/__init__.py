"""Records taken out of the tool: one module a format, all made from the same record and the same verified evidence.

``collect`` reads what there is (``material``), a format's function makes the bytes, and nothing of it comes from a tag. What is missing
or unknown is written as such in every format. ``inert`` makes texts harmless for each carrier.

``oscal_catalog``, ``oscal_results``, ``oscal_poam`` (with ``oscal_parts``), ``cyclonedx``, ``in_toto``, ``openlineage``, ``hub_card``,
``risk_csv`` and ``risk_xlsx`` (with ``risk_rows``), ``ciso_assistant``, ``audit_pack`` (with ``audit_readme`` and ``archives``).
"""

from __future__ import annotations

from aims_mlflow.exports.formats import FORMATS, Exported, Format, export, make
from aims_mlflow.exports.material import Material, collect

__all__ = ["FORMATS", "Exported", "Format", "Material", "collect", "export", "make"]
