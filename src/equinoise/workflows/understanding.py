"""`understand`: a concept wholly: its images audited, related, looked at for objects, compared, and put on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equinoise.detectors.object_loading import default_object_detector
from equinoise.models.loading import MIXTURE
from equinoise.seeds import ATTRIBUTES, seed_range
from equinoise.understanding.wordings import read_attributes
from equinoise.workflows.auditing import audit_model
from equinoise.workflows.disagreeing import misalign_run
from equinoise.workflows.objects import detect_objects
from equinoise.workflows.question import Question
from equinoise.workflows.relating import relate
from equinoise.workflows.reporting import report
from equinoise.workflows.settings import Session

PAGE = "report.html"


@dataclass(frozen=True)
class Images:
    """How many images are made, and from which seed on.

    Attributes:
        n: of the concept.
        each: of each attribute.
        seed: the first of the concept's; attributes have seeds of their own.
    """

    n: int
    each: int
    seed: int


@dataclass(frozen=True)
class ObjectSearch:
    """How objects are looked for; see `detecting`."""

    detector: str | None = None
    phrases: str | None = None
    threshold: float | None = None


def understand(
    session: Session,
    concept: str,
    attributes: Path,
    question: Question,
    images: Images,
    out: Path,
    search: ObjectSearch = ObjectSearch(),
    encoders: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    """`audit`, `relate`, `detect --objects`, `misalign` and `report` on one run, each as its own command does it.

    What is done already is not done again: cut off anywhere, the same command goes on. The mixture's pictures hold no
    objects, so nothing is looked for in them.

    Raises:
        EquinoiseError: as from these commands; what can be known before the first image is asked first.
    """
    entries = read_attributes(attributes, concept)
    seed_range(images.seed, images.n), seed_range(ATTRIBUTES, images.each)
    if dry_run:
        return session.estimate(images.n + images.each * len(entries), session.calls)
    audited = audit_model(session, [concept], question, images.n, images.seed, out)
    related = relate(session, concept, attributes, images.each, images.seed, out, encoders=encoders)
    found = {} if session.spec.name == MIXTURE else _objects(session, out, search)
    compared = misalign_run(out)
    return {
        "audits": audited["audits"],
        "relations": related["relations"],
        "objects": found.get("objects", []),
        **{key: compared[key] for key in ("findings", "tested", "established", "skipped")},
        "run": str(out),
        **report([out], out / PAGE),
    }


def _objects(session: Session, out: Path, search: ObjectSearch) -> dict[str, Any]:
    name = search.detector or default_object_detector(session.spec.name)
    return detect_objects(out, name, search.phrases, search.threshold, device=session.spec.device)
