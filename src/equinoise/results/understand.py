"""A concept as a whole: its audit, relations, objects and disagreements, and the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from equinoise.results.audits import AuditResult
from equinoise.results.base import Result
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.objects import ObjectsResult
from equinoise.results.relations import RelationsResult
from equinoise.results.tables import Row, TextTable

if TYPE_CHECKING:
    import plotly.graph_objects as go


class UnderstandResult(Result):
    """What `understand` found, each part as its own verb returns it. In JSON the parts' lists stand side by side.

    Attributes:
        objects: None where the model's images hold no objects.
        report: path of the page.
    """

    audit: AuditResult
    relations: RelationsResult
    objects: ObjectsResult | None
    disagreements: DisagreementsResult
    folder: str
    report: str

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it with `--json`."""
        found = self.disagreements.to_json()
        return {
            "audits": self.audit.to_json()["audits"],
            "relations": self.relations.to_json()["relations"],
            "objects": self.objects.to_json()["objects"] if self.objects else [],
            **{key: found[key] for key in ("findings", "tested", "established", "skipped")},
            "run": self.folder,
            "report": self.report,
        }

    def table(self) -> TextTable:
        """The findings, and where all of it stands."""
        return self.disagreements.findings_table(f"{self.disagreements.found}; all panels: {self.report}")

    def rows(self) -> Sequence[Row]:
        """A row an attribute that has both a relation and a frequency."""
        concept = self.disagreements.concept
        return [{"concept": concept, **one.model_dump()} for one in self.disagreements.attributes]

    def plot(self) -> go.Figure:
        """Relation against share, a point an attribute."""
        return self.disagreements.plot()
