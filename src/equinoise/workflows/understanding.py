"""`disagreements` of encoder and images; and `understand`: a concept as a whole, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from equinoise.detectors.object_loading import default_object_detector
from equinoise.engine import Engine
from equinoise.errors import EquinoiseError
from equinoise.files import base_name
from equinoise.models.worlds import MIXTURE
from equinoise.page.assembly import write_report
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.objects import ObjectsResult
from equinoise.results.parts import read_part, write_part
from equinoise.results.reading import Source, read_run
from equinoise.results.understand import UnderstandResult
from equinoise.run import UNTOUCHED
from equinoise.runtime.detector import DetectorSettings
from equinoise.runtime.making import making
from equinoise.runtime.model import Estimate, Model
from equinoise.runtime.question import Axes, Question
from equinoise.seeds import ATTRIBUTES, AUDIT, seed_range
from equinoise.understanding.disagreements import ALPHA, Relation, find_disagreements
from equinoise.understanding.frequency import classes_read, frequencies
from equinoise.understanding.relations import Relations, TextRelation, VisionRelation
from equinoise.understanding.relations_file import read_relations
from equinoise.understanding.wordings import Attributes, settle_attributes
from equinoise.workflows.auditing import audit
from equinoise.workflows.objects import detect_objects
from equinoise.workflows.relating import relate

SPACES = ("text", "text-raw", "vision")
PAGE = "report.html"


def disagreements(
    run: Source, *, space: str | None = None, encoder: str | None = None, alpha: float = ALPHA
) -> DisagreementsResult:
    """Pairs of attributes of which one is closer to the concept in an encoder, yet shown less often by the images.

    Args:
        run: a run folder, or a result that has one, with relations (`relate`), and with labels (`audit`) or objects
            (`detect_objects`).
        space: where relations were measured: text (centred; the default where there is one), text-raw or vision.
        encoder: which one, where there are several; default the first.
        alpha: bound of the probability that any finding is false.

    Raises:
        EquinoiseError: no run in a folder, no relations, no frequencies, or fewer than two attributes that have both.
    """
    content = read_run(run)
    folder = content.require_folder()
    if not 0 < alpha < 1:
        raise EquinoiseError(f"--alpha {alpha}: a probability between 0 and 1, such as 0.05")
    found, kept = read_relations(folder), read_part(folder, ObjectsResult)
    chosen = space or ("text" if found.text else "vision")
    name = _choose_encoder(found, chosen, encoder)
    records = [r for r in content.records if r.prompt == found.concept and r.intervention == UNTOUCHED]
    if not records:
        raise EquinoiseError(f"{folder} has no untouched images of '{found.concept}' to count")
    classes = classes_read(replace(content, records=tuple(records)))
    seen = frequencies(records, found.attributes, classes, kept.result.detector.labels if kept else None)
    names = [found.attributes[place].name for place in seen.places]
    if len(names) < 2:
        why = "; ".join(f"{entry.attribute}: {entry.reason}" for entry in seen.skipped[:3])
        raise EquinoiseError(f"{len(names)} attributes have a frequency in {folder}, and pairs need two ({why})")
    if chosen == "vision":
        relation = Relation.in_images(found.vision[name].part(seen.places))
    else:
        relation = Relation.in_texts(found.text[name].part(seen.places), chosen == "text")
    compared = find_disagreements(found.concept, names, relation, seen.shown, alpha)
    result = compared.result(seen.sources).model_copy(
        update={"space": chosen, "encoder_name": name, "skipped": seen.skipped}
    )
    write_part(folder, result, {"command": "disagreements", "space": chosen, "encoder": name, "alpha": alpha})
    return result.with_run(content)


def _choose_encoder(found: Relations, space: str, encoder: str | None) -> str:
    """The name of the encoder: the one asked for, else the first of its kind."""
    if space not in SPACES:
        raise EquinoiseError(f"--space {space}: use one of {', '.join(SPACES)}")
    wanted = encoder and base_name(encoder)
    known: Mapping[str, TextRelation | VisionRelation] = found.vision if space == "vision" else found.text
    if not known or (wanted is not None and wanted not in known):
        there = ", ".join(known) or f"no {space.removesuffix('-raw')} encoder"
        raise EquinoiseError(f"these relations were measured in {there}; relate again, or choose another --space")
    return wanted or next(iter(known))


@dataclass(frozen=True)
class ObjectSearch:
    """How objects are looked for: as the options of `detect_objects`."""

    detector: str | None = None
    phrases: tuple[str, ...] = ()
    threshold: float | None = None


def understand(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    concept: str,
    *,
    attributes: Attributes,
    out: str | Path,
    axes: Axes = ("gender", "tone"),
    crosses: Sequence[Sequence[str]] = (),
    n: int = 200,
    each: int = 16,
    objects: str | ObjectSearch | None = None,
    encoders: Sequence[str] = (),
    detector: str | DetectorSettings | None = None,
    seed: int = AUDIT,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> UnderstandResult:
    """Audit, relations, objects and disagreements of a concept in one run, each as its own verb makes it; and a page.

    What is done already is not done again: a call that was cut off goes on. The mixture's pictures hold no objects, so
    nothing is looked for in them.

    Args:
        model: as `load` gives it.
        concept: a neutral prompt.
        attributes: as of `relate`.
        out: the run folder; the page is its `report.html`.
        axes, crosses: as of `audit`.
        n: images of the concept.
        each: images of each attribute.
        objects: what finds objects, by name or with its options; default as of `detect_objects`.
        encoders: more encoders for relations.
        detector: what reads the images, where that is not the model's own.
        seed: of the concept's first image; attributes have seeds of their own.
        engine: where the images are made; default this machine.
        progress: None shows a bar in a terminal or a notebook.

    Raises:
        EquinoiseError: as of the other verbs; what can be checked before the first image is checked first.
    """
    folder = Path(out)
    settle_attributes(attributes, concept), seed_range(seed, n), seed_range(ATTRIBUTES, each)
    model = model.reading_with(detector, Question.asking(axes, crosses).axes)
    search = ObjectSearch(objects) if isinstance(objects, str) else objects or ObjectSearch()
    with making(model, engine, progress) as maker:
        audited = audit(
            model,
            concept,
            axes=axes,
            crosses=crosses,
            n=n,
            out=folder,
            seed=seed,
            engine=maker.engine,
            progress=progress,
        )
        related = relate(
            model,
            concept,
            attributes=attributes,
            n=each,
            encoders=encoders,
            out=folder,
            seed=seed,
            engine=maker.engine,
            progress=progress,
        )
    found = None
    if model.name != MIXTURE:
        name = search.detector or default_object_detector(model.name)
        found = detect_objects(
            folder,
            detector=name,
            phrases=search.phrases,
            threshold=search.threshold,
            device=model.spec.device,
            progress=progress,
        )
    return UnderstandResult(
        audit=audited,
        relations=related,
        objects=found,
        disagreements=disagreements(folder),
        folder=str(folder),
        report=str(write_report([folder], folder / PAGE)),
    ).with_run(read_run(folder))


def understand_cost(
    model: Model, concept: str, attributes: Attributes, n: int, each: int, workers: int | None = None
) -> Estimate:
    """What `understand` would take."""
    return model.estimate(n + each * len(settle_attributes(attributes, concept)), model.calls, workers)
