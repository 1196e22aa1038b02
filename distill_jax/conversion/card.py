"""A student as a folder that a model hub takes as it is: the packed file, and a card in the Hugging Face form."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from distill_jax.conversion.card_page import card_page
from distill_jax.conversion.converter import Converter
from distill_jax.conversion.front_matter import front_matter
from distill_jax.errors import refusing
from distill_jax.packed.student import PackedStudent

PACKED, CARD = "student.djx", "README.md"
_UNNAMED = "student"
_HUB_METRICS = {"macro_f1": "f1", "micro_f1": "f1", "spearman": "spearmanr", "pearson": "pearsonr"}
_HUB_LICENCES = (
    *("agpl-3.0", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0"),
    *("cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "mit"),
    *("mpl-2.0", "openrail", "unlicense"),
)


class Card(Converter):
    """``README.md`` and ``student.djx``."""

    name: ClassVar[str] = "card"
    suffix: ClassVar[str] = ""

    def files(self, student: PackedStudent) -> Mapping[str, bytes]:
        """Return the card, and the student as it is."""
        packed = student.to_bytes()
        with refusing(lambda reason: f"--to card: expected facts as distill_jax.pack writes them ({reason})"):
            content = front_matter(_metadata(student)) + card_page(student, _name(student), PACKED, len(packed))
        return {CARD: content.encode(), PACKED: packed}


def _name(student: PackedStudent) -> str:
    return str(student.facts.get("run", {}).get("name") or _UNNAMED)


def _metadata(student: PackedStudent) -> dict[str, Any]:
    """Return the card's metadata, by the names that the hub reads."""
    facts = student.facts
    metadata: dict[str, Any] = {
        **_licence(facts.get("licence")),
        "library_name": "distill-jax",
        "pipeline_tag": "text-classification",
        "tags": ["distill-jax", "knowledge-distillation", student.config.name, student.config.task],
    }
    results = [_result(student, split) for split in facts.get("scores", {})]
    results = [result for result in results if result["metrics"]]
    if results:
        metadata["model-index"] = [{"name": _name(student), "results": results}]
    return metadata


def _licence(licence: Any) -> dict[str, str]:
    """Return the hub's names of a licence: one that it knows, or ``other`` and a name."""
    if not licence:
        return {}
    if str(licence).lower() in _HUB_LICENCES:
        return {"license": str(licence).lower()}
    name = re.sub(r"[^a-z0-9.]+", "-", str(licence).lower()).strip("-.")
    return {"license": "other", "license_name": name or "other"}


def _result(student: PackedStudent, split: str) -> dict[str, Any]:
    titles = {metric.name: metric.title for metric in student.config.labelling.metrics}
    export = str(student.facts.get("run", {}).get("export", {}).get("name") or "export")
    return {
        "task": {"type": "text-classification", "name": student.config.task},
        "dataset": {"name": export, "type": export, "split": split},
        "metrics": [
            {"type": _HUB_METRICS.get(name, name), "value": metric["after"], "name": titles.get(name, name)}
            for name, metric in student.facts["scores"][split]["metrics"].items()
            if metric["after"] is not None
        ],
    }
