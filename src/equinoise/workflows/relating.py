"""`relate`: how close a concept and attributes lie, in text encoders and over images."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from equinoise.axes import Axis
from equinoise.engine import Engine, Job
from equinoise.engine.images import Tick, make_images
from equinoise.errors import EquinoiseError
from equinoise.files import describe_file, read_json
from equinoise.progress import progress
from equinoise.run import UNTOUCHED, RunFolder, read_records
from equinoise.seeds import ATTRIBUTES, seed_range
from equinoise.understanding.audit import audit
from equinoise.understanding.parts import RELATIONS, write_part, write_relations
from equinoise.understanding.relations import Relations, VisionRelation, encode_images, relate_texts
from equinoise.understanding.wordings import Attribute, read_attributes, read_reference
from equinoise.workflows.encoding import Encoders, encoders_of, reference_for
from equinoise.workflows.reading_images import open_image
from equinoise.workflows.settings import Session, require_concepts


@dataclass(frozen=True)
class Asked:
    """What `relate` was asked, settled.

    Attributes:
        n: images of the concept, and of each attribute; 0 measures texts alone.
        axes: read off the concept's images, so that frequencies can be compared with relations.
    """

    concept: str
    attributes: tuple[Attribute, ...]
    n: int
    seed: int
    axes: tuple[Axis, ...]


def relate(
    session: Session,
    concept: str,
    file: Path,
    n: int,
    seed: int,
    out: Path | None,
    axes: Sequence[Axis] = (),
    encoders: Sequence[str] = (),
    reference_file: Path | None = None,
    poolings: Sequence[str] = ("pooled",),
    dry_run: bool = False,
) -> dict[str, Any]:
    """`{"relations": [{attribute, text, vision, …}], "differences": […], …}`.

    `out` may be a run that is there already: its untouched images of the concept are used, and the relations are kept
    beside it. Otherwise it becomes a run of the concept's images. Images of the attributes lie under `attributes/`.
    `poolings`: how the model's own text encoders make one vector of a text, see `encoders.TextEncoder`.

    Raises:
        EquinoiseError: a file is wrong, the run is of another model or has no image of the concept.
    """
    (named,) = require_concepts([concept])
    asked = Asked(named, tuple(read_attributes(file, named)), n, seed, tuple(axes))
    if n:
        seed_range(seed, n), seed_range(ATTRIBUTES, n)
    reference = reference_for(session.spec.name, read_reference(reference_file) if reference_file else None)
    there = out is not None and (out / "run.json").is_file() and not _ours(out)
    if there and axes:
        raise EquinoiseError(f"--axis reads the images of a new run; {out} is there: audit {out} --axis … reads it")
    if dry_run:
        images = n * (len(asked.attributes) + (not there))
        return session.estimate(images, session.sampling.steps)
    if n == 0 and out is not None and not there:
        raise EquinoiseError("-n 0 measures texts alone and makes no run; leave out -o, or give a run that is there")
    known = encoders_of(session, encoders, poolings, images=n > 0)
    texts = {name: relate_texts(encoder, named, asked.attributes, reference) for name, encoder in known.text.items()}
    with _folder(out) as home:
        vision = _see(session, asked, home, there, known) if n else {}
        found = Relations(named, asked.attributes, texts, vision)
        result = found.to_json()
        if out is not None:
            about = session.about(
                command="relate",
                concept=named,
                attributes=describe_file(file),
                reference=describe_file(reference_file) if reference_file else "built in",
                n=n,
                seed=seed,
                encoders=list(encoders),
                poolings=list(poolings),
            )
            write_relations(out, found)
            write_part(out, RELATIONS, about, result)
    return result


def _ours(out: Path) -> bool:
    """Whether a run was made by this command, which then goes on with it."""
    about = read_json(out / "run.json").get("about") or {}
    return bool(about.get("command") == "relate")


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="equinoise-") as place:
        yield Path(place)


def _see(session: Session, asked: Asked, home: Path, there: bool, encoders: Encoders) -> dict[str, VisionRelation]:
    """Images of the concept and of each attribute, and their vectors in every vision encoder."""
    total = asked.n * (len(asked.attributes) + (not there))
    with Engine(session.workers, session.spec.device) as engine, progress("relate", total) as tick:
        files = _kept_images(session, home, asked.concept) if there else _concept(session, engine, asked, home, tick)
        seeds = seed_range(ATTRIBUTES, asked.n)
        shown = [_attribute(session, engine, entry, seeds, home, tick) for entry in asked.attributes]
    found = {}
    for name, encoder in encoders.vision.items():
        flat = encode_images(encoder, map(open_image, (file for part in shown for file in part)))
        found[name] = VisionRelation(
            encode_images(encoder, map(open_image, files)), flat.reshape(len(shown), asked.n, -1)
        )
    return found


def _kept_images(session: Session, home: Path, concept: str) -> list[Path]:
    model = (read_json(home / "run.json").get("about") or {}).get("model") or {}
    if model.get("weights") not in (None, session.model.provenance["weights"]):
        raise EquinoiseError(f"{home} was made by {model.get('name')}; relate it with that model")
    files = [home / r.file for r in read_records(home) if r.prompt == concept and r.intervention == UNTOUCHED]
    if not files:
        raise EquinoiseError(f"{home} has no untouched images of '{concept}'; give a concept that it was made from")
    return files


def _concept(session: Session, engine: Engine, asked: Asked, home: Path, tick: Tick) -> list[Path]:
    about = session.about(
        command="relate",
        concepts=[asked.concept],
        axes={axis.name: axis.digest for axis in asked.axes},
        n=asked.n,
        seed=asked.seed,
    )
    run = RunFolder(home, about)
    jobs = [Job(str(seed), asked.concept, seed) for seed in seed_range(asked.seed, asked.n)]
    records = make_images(engine, session.request(asked.axes), jobs, run, tick)
    role = {asked.concept: session.asked(asked.concept)}
    found = audit(records, asked.axes, asked=role, confusions=session.reader.confusions).to_json() if asked.axes else {}
    run.finish([job.id for job in jobs], {**found, **session.results(asked.concept)})
    return [home / record.file for record in records]


def _attribute(
    session: Session, engine: Engine, entry: Attribute, seeds: Sequence[int], home: Path, tick: Tick
) -> list[Path]:
    """Images of one attribute, in a run of their own: more attributes another time take nothing away."""
    place = home / "attributes" / _slug(entry.prompt)
    run = RunFolder(place, session.about(command="relate", concepts=[entry.prompt], n=len(seeds), seed=seeds[0]))
    jobs = [Job(str(seed), entry.prompt, seed) for seed in seeds]
    records = make_images(engine, session.request([]), jobs, run, tick)
    run.finish([job.id for job in jobs], {})
    return [place / record.file for record in records]


def _slug(prompt: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40]
    return f"{plain}-{sha256(prompt.encode()).hexdigest()[:6]}"
