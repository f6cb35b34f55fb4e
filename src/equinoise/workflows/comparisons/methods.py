"""`compare`: methods of mitigation on the same seeds, in one run; a row that is done is not made again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from equinoise.axes import Axis
from equinoise.engine import Engine, Job
from equinoise.errors import EquinoiseError, reason_of, warn
from equinoise.files import read_json, readable, write_json, write_whole
from equinoise.methods import METHODS, Brief, Method, NoFormError, Prepared, Setup
from equinoise.results.audits import ClassShare
from equinoise.results.comparisons.methods import (
    BARE,
    MethodFailed,
    MethodRow,
    MethodSetting,
    MethodsResult,
    Setting,
    concept_folder,
)
from equinoise.results.plans import TargetVerdict
from equinoise.run import (
    METADATA,
    Record,
    RunContent,
    RunFolder,
    environment,
    read_run_file,
    require_empty,
    require_same,
    run_file,
    write_run_file,
)
from equinoise.runtime.detector import DetectorSettings
from equinoise.runtime.making import Maker, making
from equinoise.runtime.model import Estimate, Model, require_concepts
from equinoise.runtime.question import Axes, Question
from equinoise.seeds import NAMED, VERIFY, seed_range
from equinoise.statistics import gap_squared_unbiased
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import tally
from equinoise.understanding.methods import Yardstick, counted, gap_squared
from equinoise.understanding.quality import ImageVectors, fidelity
from equinoise.understanding.relations import ReadsImages
from equinoise.understanding.targets import Wanted
from equinoise.workflows.comparisons.own_methods import PLAN, own_methods
from equinoise.workflows.quality import ReadRun, open_encoder

PARTIAL = "compare.partial.json"
"""What a comparison that is not finished is of."""
TUNING = 10_000
"""How far the seeds of tuning lie behind those of the set-ups."""


def compare(  # noqa: PLR0913 (a public verb: every option is keyword-only)
    model: Model,
    concepts: str | Sequence[str],
    *,
    axes: Axes,
    methods: Sequence[str | Method] | None = None,
    n: int = 128,
    others: Axes = (),
    targets: Mapping[str, Wanted] | None = None,
    pilots: int = 64,
    budget: int = 1024,
    margin: float = 0.1,
    detector: str | DetectorSettings | None = None,
    encoder: str | None = None,
    out: str | Path | None = None,
    seed: int = VERIFY,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> MethodsResult:
    """Methods of mitigation on the same seeds: what each reaches, what it costs, what else it does to the images.

    Each method comes as published and, where it has a strength, once more with the strength whose squared gap is the
    smallest on pilots. A method that its authors give no form of for an axis or a model, or that fails, stands among
    `failed` of the result, with the reason; the others go on.

    Args:
        model: as `load` gives it.
        concepts: neutral prompts.
        axes: each concept is mitigated on each axis by itself.
        methods: by name, or as `Method` values of your own; default all. The untouched model always comes first.
        n: images in every row.
        others: axes that are read as well, to see what moves besides.
        targets: axis → "uniform" (the default) or class → share.
        pilots: images by which a strength is judged; 0 leaves the tuned rows out.
        budget: images of a plan.
        margin: "on target" is a whole interval within the target ± this.
        detector: what reads the images, where that is not the model's own.
        encoder: the CLIP or SigLIP in whose space images are compared; default the detector's.
        out: a run folder; a comparison that was cut off goes on there. Without one nothing is kept.
        seed: the first seed of the rows.
        engine, progress: as of `audit`.

    Raises:
        EquinoiseError: an argument makes no sense, or the folder holds something else.
    """
    named, question = require_concepts(concepts), Question.asking(axes, targets=targets)
    beside = () if isinstance(others, Sequence) and not others else Question.asking(others).axes
    read = tuple({axis.name: axis for axis in (*question.axes, *beside)}.values())
    model = model.reading_with(detector, read)
    seeds = seed_range(seed, n)
    if pilots < 0:
        raise EquinoiseError(f"--pilots {pilots}: give a number of images, or 0 for no tuned rows")
    settings = {"budget": budget, "encoder": encoder, "margin": margin, "n": n, "seed": seed}
    about = {"command": "compare", "concepts": named, **question.to_json(), **settings, **model.to_json()}
    with _folder(out, about) as folder, making(model, engine, progress) as maker:
        known = {**METHODS, **own_methods(maker, folder, budget)}
        chosen = [_known(each, known) for each in methods or known if each != BARE]
        sees = open_encoder(encoder or model.detector.spec.name, model.spec.device)
        found: list[MethodRow | MethodFailed] = []
        for concept in named:
            images = _Images(maker, concept, read, seeds, folder / concept_folder(concept), sees)
            for axis in question.axes:
                target = question.targets.get(axis.name) or dict.fromkeys(axis.classes, 1 / len(axis.classes))
                found += _Comparison(images, axis, target, margin, pilots).rows([known[BARE], *chosen])
        rows = tuple(row for row in found if isinstance(row, MethodRow))
        failed = tuple(row for row in found if isinstance(row, MethodFailed))
        result = MethodsResult(n=n, margin=margin, methods=rows, failed=failed)
        file = run_file(about, result.to_json(), model.world_json())
        write_whole(folder / METADATA, b"")  # the images lie in the runs within
        write_run_file(folder, file)
        (folder / PARTIAL).unlink()
    return result.with_run(RunContent(file, (), Path(out) if out is not None else None))


def compare_cost(
    model: Model,
    cells: int,
    methods: Sequence[str] | None,
    n: int,
    pilots: int,
    budget: int,
    workers: int | None = None,
) -> Estimate:
    """What a comparison on so many pairs of concept and axis takes at least.

    Rejection and set-ups take more, which depends on the shares.
    """
    with making(model, show=False) as maker:
        known = {**METHODS, **own_methods(maker, Path(), budget)}
    chosen = [_known(name, known) for name in methods or known if name != BARE]
    rows = 2 + sum(2 if method.strengths and pilots else 1 for method in chosen)  # 2: untouched, and named prompts
    tried = sum(len(m.strengths) for m in chosen if len(m.strengths) > 1) * pilots
    planned = budget if any(method.name == PLAN for method in chosen) else 0
    return model.estimate(cells * (rows * n + tried + planned), model.calls, workers)


@contextmanager
def _folder(out: str | Path | None, about: Mapping[str, Any]) -> Iterator[Path]:
    """The folder of a comparison, or one that is gone afterwards.

    Raises:
        EquinoiseError: the folder holds something else.
    """
    if out is None:
        with TemporaryDirectory(prefix="equinoise-compare-") as folder, _folder(Path(folder), about) as place:
            yield place
        return
    place, same = Path(out), {"about": readable(dict(about)), "environment": environment()}
    if (place / "run.json").exists():
        require_same(place, read_run_file(place).model_dump(mode="json"), same)
    elif (place / PARTIAL).exists():
        require_same(place, read_json(place / PARTIAL), same)
    else:
        require_empty(place)
    write_json(place / PARTIAL, same)
    yield place


def _known(asked: str | Method, methods: Mapping[str, Method]) -> Method:
    if isinstance(asked, Method):
        return asked
    if asked not in methods:
        raise EquinoiseError(f"no method '{asked}'; there are {', '.join(methods)}")
    return methods[asked]


@dataclass(frozen=True, eq=False)
class _Images:
    """The images of one concept: each set in a folder of its own, read on all axes.

    Attributes:
        bare: seed → record of the images of the bare model, as far as they were asked for.
    """

    maker: Maker
    concept: str
    axes: tuple[Axis, ...]
    seeds: Sequence[int]
    folder: Path
    sees: ReadsImages
    bare: dict[int, Record] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        return self.maker.model

    def make(self, name: str, jobs: Sequence[Job], prepared: Prepared | None = None) -> tuple[list[Record], Path]:
        """The records of all jobs, all under the concept, and the finished folder of their images."""
        change = prepared.change if prepared else None
        maker = replace(self.maker, change=change, early_classifier=prepared.early_classifier if prepared else None)
        about = {"command": "audit", "concepts": [self.concept], "set": name, **self.model.to_json()}
        run, folder = RunFolder(self.folder / name, about), self.folder / name
        records = maker.make(f"{self.concept}: {name}", jobs, self.axes, run)
        run.finish([*run.records], {})
        return [replace(record, prompt=self.concept) for record in records], folder

    def untouched(self, seeds: Sequence[int]) -> list[Record]:
        """Images of the bare model; each seed is made once."""
        if missing := [seed for seed in seeds if seed not in self.bare]:
            made, _ = self.make(BARE, [Job(str(seed), self.concept, seed) for seed in missing])
            self.bare.update((record.seed, record) for record in made)
        return [self.bare[seed] for seed in seeds]

    def look(self, records: Sequence[Record], folder: Path) -> ImageVectors:
        """The vectors of the images that are pictures."""
        found = ReadRun.open(folder).look(self.sees).pictures
        rows = {record.id: row for row, record in enumerate(found.records)}
        kept = [record for record in records if record.id in rows]
        return ImageVectors(kept, found.vectors[[rows[record.id] for record in kept]])


@dataclass(frozen=True, eq=False)
class _Comparison:
    """All methods on one concept and axis."""

    images: _Images
    axis: Axis
    target: Mapping[str, float]
    margin: float
    pilots: int

    @cached_property
    def _shared(self) -> dict[str, tuple[Any, float]]:
        """What the strengths of a method share."""
        return {}

    @cached_property
    def brief(self) -> Brief:
        return Brief(self.images.model, self.images.concept, self.axis, self.target, self.images.untouched)

    def rows(self, methods: Sequence[Method]) -> list[MethodRow | MethodFailed]:
        """As published, and tuned where there is a strength."""
        found: list[MethodRow | MethodFailed] = []
        for method in methods:
            settings: list[Setting] = ["published", "tuned"] if method.strengths and self.pilots else ["published"]
            for setting in settings:
                found.append(self._row(method, setting))
                if isinstance(found[-1], MethodFailed):
                    break
        return found

    def _row(self, method: Method, setting: Setting) -> MethodRow | MethodFailed:
        key: dict[str, Any] = {
            "name": method.name,
            "title": method.title,
            "source": method.source,
            "changes": method.changes,
            "setting": setting,
            "concept": self.images.concept,
            "axis": self.axis.name,
        }
        about = self._about(method, setting)
        place = self.images.folder / self.axis.name / f"{method.name}-{setting}.json"
        kept = read_json(place) if place.is_file() else {}
        if kept.get("about") == about:
            return MethodRow.from_json(kept["row"], str(place))
        yardstick = self._yardstick  # without which there is nothing to hold a method against
        try:
            setup, tuning = (Setup(self.images.maker, (self.axis,), self._shared) for _ in range(2))
            strength = method.published if setting == "published" else self._tuned(method, tuning)
            prepared = method.prepare(self.brief, setup, strength)
            named = MethodSetting(**key, strength=strength)
            row = self._measured(named, prepared, yardstick, (setup.calls, tuning.own_calls))
        except NoFormError as error:
            return MethodFailed(**key, strength=None, reason=str(error))
        except Exception as error:  # whatever a method meets on a model that it was not made for, the others go on
            reason = str(error) if isinstance(error, EquinoiseError) else f"{type(error).__name__}: {reason_of(error)}"
            warn(f"{method.title} failed on '{self.images.concept}', {self.axis.name}: {reason}")
            return MethodFailed(**key, strength=None, reason=reason)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json(place, {"about": about, "row": row.to_json()})
        return row

    def _about(self, method: Method, setting: Setting) -> dict[str, Any]:
        """What a row depends on."""
        seeds = self.images.seeds
        return {
            "axis": {axis.name: axis.digest for axis in (self.axis, *self.images.axes)},
            "target": dict(self.target),
            "n": len(seeds),
            "seed": seeds[0],
            "strengths": [method.published, *method.strengths],
            **({"pilots": self.pilots} if setting == "tuned" else {}),
            **self.images.model.to_json(),
        }

    def _tuned(self, method: Method, setup: Setup) -> float:
        """The strength with the smallest squared gap on pilots, among those with the concept right most often.

        A strength is left out whose concept is right less often than under the best one beyond chance.
        """
        if len(method.strengths) == 1:
            return method.strengths[0]
        tried: list[tuple[float, float, float, float]] = []
        for strength in method.strengths:
            prepared = method.prepare(self.brief, setup, strength)
            maker = replace(setup.maker, early_classifier=prepared.early_classifier)
            trial = replace(setup, maker=maker, axes=self.images.axes)
            jobs = prepared.jobs(self.brief.pilots(self.pilots, TUNING))
            records = trial.make(f"{method.name} at {strength:g}", jobs, prepared.change)
            setup.spend(sum(self._calls(prepared, record) - self.images.model.calls for record in records))
            counts = [sum(r.labels[self.axis.name] == label for r in records) for label in self.axis.classes]
            gap = gap_squared_unbiased(counts, list(self.target.values()))
            right = fidelity([replace(r, prompt=self.images.concept) for r in records], self.images.model.detector.role)
            low, high = (right.low, right.high) if right else (0.0, 1.0)
            tried.append((2.0 if gap is None else gap, strength, low, high))
        best = max(low for _, _, low, _ in tried)
        return min(entry for entry in tried if entry[3] >= best)[1]

    def _calls(self, prepared: Prepared, record: Record) -> float:
        return prepared.calls(record) if prepared.calls else float(self.images.model.calls)

    def _measured(
        self, key: MethodSetting, prepared: Prepared, yardstick: Yardstick, calls: tuple[float, float]
    ) -> MethodRow:
        """The row of a method that has been set up; `calls` of the set-up and of tuning."""
        model, plain = self.images.model, key.name == BARE
        name = Path(key.place).name
        started, known = time.perf_counter(), (self.images.folder / name).exists()
        records, folder = self.images.make(name, prepared.jobs(self.images.seeds), prepared)
        seconds = None if known else (time.perf_counter() - started) / len(records)
        made = self.images.look(records, folder)
        roles = {self.images.concept: model.detector.role(self.images.concept)}
        measures = Measures({self.axis.name: self.target}, model.detector.confusions([self.axis]))
        together = [replace(record, intervention=key.label) for record in records]
        (audit,) = measures.audit(tally(together, [self.axis], roles)).audits
        within, kept = yardstick.within(made), yardstick.kept(made)
        each = [self._calls(prepared, record) for record in records]
        return MethodRow(
            **dict(key),
            audit=audit,
            gap_squared=gap_squared(audit),
            verdict=TargetVerdict.judge(audit, self.margin),
            concept_fidelity=audit.concept_fidelity,
            fidelity_kept=kept,
            diversity=within.diversity if within else None,
            kid=within.kid if within else None,
            off_target=yardstick.off_target(made),
            moved=yardstick.moved(made),
            unchanged=self._unchanged(records, folder),
            worse=() if plain else tuple(yardstick.worse(kept, within)),
            denoiser_calls_per_image=sum(each) / len(each),
            setup_calls=calls[0],
            tuning_calls=calls[1],
            seconds_per_image=seconds,
            settings=dict(prepared.shown),
        )

    @cached_property
    def _yardstick(self) -> Yardstick:
        first = self.images.untouched(self.images.seeds)
        labels = self.axis.classes
        seeds = seed_range(NAMED, max(2, len(self.images.seeds) // len(labels)))
        jobs = [Job(f"{label}-{seed}", self.brief.prompts[label], seed) for label in labels for seed in seeds]
        named, folder = self.images.make(f"{self.axis.name}-named", jobs)
        return Yardstick(
            self.axis,
            self.images.axes,
            self.images.look(first, self.images.folder / BARE),
            self.images.look(named, folder),
            self.images.model.detector.role,
        )

    def _unchanged(self, records: Sequence[Record], folder: Path) -> ClassShare:
        """Images that are pixel for pixel as the bare model makes them: equal pixels are equal files."""
        first = {r.seed: self.images.folder / BARE / r.file for r in self.images.untouched(self.images.seeds)}
        same = sum((folder / r.file).read_bytes() == first[r.seed].read_bytes() for r in records)
        return counted(same, len(records))
