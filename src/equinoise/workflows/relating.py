"""`relate`: how close a concept and attributes lie, in text encoders and over images."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from equinoise.detectors.declaring import CLASSIFIER, declare, record_name
from equinoise.detectors.loading import detector_folder
from equinoise.detectors.skin_colour import NAME as SKIN_COLOUR
from equinoise.encoders import TextEncoder, load_dual, load_encoder
from equinoise.encoders.truncation import limit_of, warn_of_cut
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.errors import EquinoiseError, warn
from equinoise.files import base_name, describe_file
from equinoise.folders.pictures import open_image
from equinoise.models.identity import likeness
from equinoise.models.mixture import MixtureEncoder
from equinoise.models.pipeline import require_pipeline
from equinoise.models.worlds import MIXTURE
from equinoise.no_picture import NoPicture, count_reasons, describe
from equinoise.progress import Tick
from equinoise.progress import progress as progress_bar
from equinoise.prompts import subject
from equinoise.results.parts import write_part
from equinoise.results.relations import RelationsResult
from equinoise.run import PREVIEWS, UNTOUCHED, Record, RunContent, RunFolder, read_content
from equinoise.runtime.detector import DetectorSettings
from equinoise.runtime.making import Maker, making
from equinoise.runtime.model import Estimate, Model, require_concepts
from equinoise.runtime.question import Axes, Question
from equinoise.runtime.reading_images import open_record
from equinoise.seeds import ATTRIBUTES, RELATE, seed_range
from equinoise.understanding import wordings
from equinoise.understanding.audit import Measures
from equinoise.understanding.relations import (
    ReadsImages,
    ReadsTexts,
    Relations,
    VisionRelation,
    encode_images,
    relate_texts,
)
from equinoise.understanding.relations_file import write_relations
from equinoise.understanding.wordings import Attribute, Attributes, settle_attributes


def relate(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    concept: str,
    *,
    attributes: Attributes,
    n: int = 32,
    axes: Axes = (),
    encoders: Sequence[str] = (),
    poolings: Sequence[str] = ("pooled",),
    reference: str | Path | Sequence[str] | None = None,
    detector: str | DetectorSettings | None = None,
    out: str | Path | None = None,
    seed: int = RELATE,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> RelationsResult:
    """The cosine of a concept with each attribute: of texts (TERU), and of generated images (VERU), with intervals.

    After Lopez Olmos et al. (2024). Texts are compared in 20 wordings, images on the same seeds for all attributes.

    Args:
        model: as `load` gives it; its own text encoders are measured first.
        concept: a neutral prompt, such as "a photo of a doctor".
        attributes: names such as "mansion", (name, prompt) pairs, `Attribute` values, or a file (a line each, or TOML).
        n: images of the concept, and of each attribute; 0 measures texts alone.
        axes: what is read off the concept's images, so that `disagreements` can count them.
        encoders: more encoders, by folder or hub name, or "minilm".
        poolings: how the model's own text encoders make one vector of a text: pooled, tokens, authors.
        reference: neutral phrases whose mean is subtracted for the centred cosines; or a file, a line each.
        detector: what reads the concept's images, where that is not the model's own; its image encoder measures them.
        out: a run folder. If a run is there already, its untouched images of the concept are used and the relations are
            written beside it, else it becomes a run of the concept's images. Images of the attributes lie below it.
        seed: of the concept's first image; attributes have seeds of their own.
        engine: where the images are made; default this machine.
        progress: None shows a bar in a terminal or a notebook.

    Raises:
        EquinoiseError: an argument makes no sense, the run is of another model or has no image of the concept.
    """
    (named,) = require_concepts(concept)
    question = Question.asking(axes) if axes else None
    model = model.reading_with(detector, question.axes if question else ())
    study = Study(model, named, settle_attributes(attributes, named), n, seed, question)
    if n:
        seed_range(seed, n), seed_range(ATTRIBUTES, n)
    place, vocabulary = Path(out) if out else None, _reference(model, reference)
    there = _run_there(place)
    if there and question:
        raise EquinoiseError(f"--axis reads the images of a new run; {out} is there: audit {out} --axis … reads it")
    if n == 0 and place and not there:
        raise EquinoiseError("-n 0 measures texts alone and makes no run; leave out -o, or give a run that is there")
    known = Encoders.open(model, encoders, poolings, images=n > 0)
    study.warn_of_cut_texts(known)
    texts = {
        name: relate_texts(encoder, named, study.attributes, reference=vocabulary)
        for name, encoder in known.text.items()
    }
    seen = study.look(known, place, there, engine, progress) if n else Seen(there)
    found = Relations(named, study.attributes, texts, seen.vision)
    result = found.result().model_copy(update={"no_picture": count_reasons(seen.left_out) or None})
    if said := describe(seen.left_out, "left out, with the same seeds of the other attributes"):
        warn(said)
    if place:
        about = {
            "command": "relate",
            "concept": named,
            "attributes": _recorded(attributes, [asdict(entry) for entry in study.attributes]),
            "reference": _recorded(reference, vocabulary) if reference else "built in",
            "n": n,
            "seed": seed,
            "encoders": list(map(base_name, encoders)),
            "poolings": list(poolings),
        }
        write_relations(place, found)
        write_part(place, result, {**about, **model.to_json()})
    return result.with_run(seen.run) if seen.run else result


def relate_cost(
    model: Model, concept: str, attributes: Attributes, n: int, out: str | Path | None, workers: int | None = None
) -> Estimate:
    """What `relate` would take."""
    there = _run_there(Path(out) if out else None)
    return model.estimate(n * (len(settle_attributes(attributes, concept)) + (there is None)), model.calls, workers)


def _run_there(place: Path | None) -> RunContent | None:
    """A finished run that another verb made; one of `relate` itself is made anew, which goes on with its images."""
    if place is None or not (place / "run.json").is_file():
        return None
    run = read_content(place)
    return None if run.file.command == "relate" else run


def _recorded(given: object, values: Sequence[Any]) -> dict[str, str] | list[Any]:
    """What was given, for the record: a file by its hash, else the values."""
    return describe_file(Path(given)) if isinstance(given, str | Path) else list(values)


def _reference(model: Model, given: str | Path | Sequence[str] | None) -> Sequence[str]:
    """The reference vocabulary: the one given, else the built-in one; the mixture has its own.

    Raises:
        EquinoiseError: a vocabulary for the mixture, which knows only its own words.
    """
    phrases = wordings.read_reference(Path(given)) if isinstance(given, str | Path) else given
    if model.name == MIXTURE:
        if phrases:
            raise EquinoiseError("the mixture knows only its own words; leave out --reference")
        return wordings.MIXTURE_REFERENCE
    return phrases or wordings.REFERENCE


@dataclass(frozen=True)
class Encoders:
    """Encoders by name, in order; the first of each kind is the one that counts."""

    text: dict[str, ReadsTexts]
    vision: dict[str, ReadsImages]

    @classmethod
    def open(cls, model: Model, names: Sequence[str], poolings: Sequence[str], images: bool) -> Encoders:
        """The model's own text encoders in each pooling, its detector's image encoder if `images`, and those named.

        Raises:
            EquinoiseError: one cannot be loaded, or images are to be encoded and nothing here encodes them.
        """
        if len(set(map(base_name, names))) < len(names):
            raise EquinoiseError(f"two encoders are called {base_name(names[-1])}; give each once, or rename a folder")
        more = {base_name(name): load_encoder(detector_folder(name), model.spec.device) for name in names}
        seeing = {name: cast(ReadsImages, found) for name, found in more.items() if hasattr(found, "images")}
        vision = {**_detectors_own(model), **seeing} if images else {}
        if images and not vision:
            name = model.detector.spec.name
            raise EquinoiseError(
                f"detector '{name}' has no image encoder; add one with --encoder, such as a CLIP, or use -n 0"
            )
        return cls({**_models_own(model, poolings), **more}, vision)


def _models_own(model: Model, poolings: Sequence[str]) -> dict[str, ReadsTexts]:
    """The model's text encoders by their name in the pipeline; behind it any other pooling than the usual one."""
    if model.name == MIXTURE:
        return {MIXTURE: MixtureEncoder()}
    pipeline = require_pipeline(model.backend).pipeline
    return {
        encoder.name if pooling == "pooled" else f"{encoder.name} ({pooling})": encoder
        for pooling in poolings
        for encoder in TextEncoder.of(pipeline, pooling)
    }


def _detectors_own(model: Model) -> dict[str, ReadsImages]:
    """The image encoder of a detector that is a CLIP or a SigLIP."""
    spec = model.detector.spec
    declared = declare(spec.name)
    if declared.model == MIXTURE:
        return {MIXTURE: MixtureEncoder()}
    if declared.kind == CLASSIFIER or declared.model == SKIN_COLOUR:
        return {}
    return {record_name(spec.name): load_dual(detector_folder(spec.name), spec.device)}


@dataclass(frozen=True)
class Seen:
    """What a study saw: the run of the concept's images, relations by vision encoder, and images that are none."""

    run: RunContent | None
    vision: Mapping[str, VisionRelation] = field(default_factory=dict)
    left_out: tuple[NoPicture, ...] = ()


@dataclass(frozen=True)
class Study:
    """What is related over images.

    Attributes:
        n: images of the concept, and of each attribute.
        seed: of the concept's first image.
        question: what is read off the concept's images; None for nothing.
    """

    model: Model
    concept: str
    attributes: tuple[Attribute, ...]
    n: int
    seed: int
    question: Question | None

    def look(
        self,
        encoders: Encoders,
        place: Path | None,
        there: RunContent | None,
        engine: Engine | None,
        show: bool | None,
    ) -> Seen:
        """The run of the concept's images, and the relations over images in every vision encoder.

        A seed whose image of any attribute is no picture is left out of all attributes, which are compared on the same
        seeds.

        Raises:
            EquinoiseError: no picture is left.
        """
        total = self.n * (len(self.attributes) + (there is None))
        with _folder(place) as home:
            with making(self.model, engine, show) as maker, progress_bar("relate", total, show) as tick:
                run = self._require_images(there) if there else self._make_concept(maker, home, tick)
                made = [self._make_attribute(maker, entry, home, tick) for entry in self.attributes]
            untouched = [r for r in run.records if r.prompt == self.concept and r.intervention == UNTOUCHED]
            looked = [open_record(home, record)[0] for record in untouched]
            files = [home / record.file for record in looked if record.no_picture is None]
            seeds = [seed for seed in zip(*made, strict=True) if not any(record.no_picture for _, record in seed)]
            shown = [folder / record.file for rows in zip(*seeds, strict=True) for folder, record in rows]
            found = {}
            for name, encoder in encoders.vision.items():
                flat = encode_images(encoder, map(open_image, shown)).reshape(len(made), len(seeds), -1)
                found[name] = VisionRelation(encode_images(encoder, map(open_image, files)), flat)
            records = [*looked, *(record for rows in made for _, record in rows)]
            left_out = tuple(record.no_picture for record in records if record.no_picture)
            return Seen(run if place else _in_memory(run, home), found, left_out)

    def warn_of_cut_texts(self, encoders: Encoders) -> None:
        """Warn of a concept and attributes that are not read to their end, each once: as a prompt, else as a text."""
        phrases = {self.concept: subject(self.concept), **{entry.prompt: entry.phrase for entry in self.attributes}}
        axes = self.question.axes if self.question else ()
        cut = self.model.check_texts(list(phrases), axes) if self.n else set()
        longest = max(wordings.WORDINGS, key=len)
        texts = [longest.format(phrase) for prompt, phrase in phrases.items() if prompt not in cut]
        found = {name: limit_of(encoder) for name, encoder in encoders.text.items()}
        warn_of_cut(texts, [replace(limit, encoder=name) for name, limit in found.items() if limit], "text")

    def _require_images(self, run: RunContent) -> RunContent:
        """A run that is there already, if the model made it and it has images of the concept."""
        made = run.file.part("model")
        if made.get("weights") is not None and likeness(made, self.model.backend.provenance) == "other":
            raise EquinoiseError(f"{run.folder} was made by {made.get('name')}; relate it with that model")
        if all(record.prompt != self.concept or record.intervention != UNTOUCHED for record in run.records):
            raise EquinoiseError(
                f"{run.folder} has no untouched images of '{self.concept}'; give a concept that it was made from"
            )
        return run

    def _make_concept(self, maker: Maker, home: Path, tick: Tick) -> RunContent:
        axes, detector = self.question.axes if self.question else (), self.model.detector
        about = {
            "command": "relate",
            "concepts": [self.concept],
            "axes": {axis.name: axis.digest for axis in axes},
            "n": self.n,
            "seed": self.seed,
        }
        run = RunFolder(home, {**about, **self.model.to_json()})
        jobs = [Job(str(seed), self.concept, seed) for seed in seed_range(self.seed, self.n)]
        records = make_images(maker.engine, maker.request(axes), jobs, run, tick)
        role, results = detector.role(self.concept), {}
        if self.question:
            counts = self.question.count(records, {self.concept: role})
            results = Measures(confusions=detector.confusions(axes)).audit(counts).to_json()
        return run.finish([job.id for job in jobs], results, self.model.world_json(), role)

    def _make_attribute(self, maker: Maker, entry: Attribute, home: Path, tick: Tick) -> list[tuple[Path, Record]]:
        """Images of one attribute, in a run of their own: more attributes another time change nothing of it."""
        place, seeds = home / "attributes" / _slug(entry.prompt), seed_range(ATTRIBUTES, self.n)
        about = {"command": "relate", "concepts": [entry.prompt], "n": self.n, "seed": seeds[0]}
        run = RunFolder(place, {**about, **self.model.to_json()})
        jobs = [Job(str(seed), entry.prompt, seed) for seed in seeds]
        records = make_images(maker.engine, maker.request(()), jobs, run, tick)
        run.finish([job.id for job in jobs], {})
        return [(place, record) for record in records]


@contextmanager
def _folder(place: Path | None) -> Iterator[Path]:
    """The run folder; without one a folder for as long as the images are needed."""
    if place is not None:
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="equinoise-") as made:
        yield Path(made)


def _in_memory(run: RunContent, home: Path) -> RunContent:
    """The run without its folder: its records, and its first images."""
    previews = {record.id: open_image(home / record.file) for record in run.records[:PREVIEWS]}
    return RunContent(run.file, run.records, None, previews)


def _slug(prompt: str) -> str:
    """A folder name for a prompt, such as `a-photo-of-a-hut-0f3b2a`."""
    plain = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40]
    return f"{plain}-{sha256(prompt.encode()).hexdigest()[:6]}"
