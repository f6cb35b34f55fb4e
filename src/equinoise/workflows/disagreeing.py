"""`misalign RUN`: where the encoder's relations and the images' frequencies disagree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from equinoise.errors import EquinoiseError
from equinoise.files import read_json
from equinoise.run import UNTOUCHED, read_records
from equinoise.understanding.disagreements import ALPHA, Relation, find_disagreements, of_images, of_texts
from equinoise.understanding.frequency import classes_of, frequencies
from equinoise.understanding.parts import DISAGREEMENTS, OBJECTS, read_part, read_relations, require_run, write_part
from equinoise.understanding.relations import Relations

SPACES = ("text", "text-raw", "vision")


def misalign_run(
    run: Path, space: str | None = None, encoder: str | None = None, alpha: float = ALPHA
) -> dict[str, Any]:
    """`{"findings": […], "tested": n, …}`; kept beside the run.

    `space`: `text` (centred; the default where there is one), `text-raw`, or `vision`; `encoder`: which one of several.

    Raises:
        EquinoiseError: no run, no relations, no frequencies, or fewer than two attributes that have both.
    """
    require_run(run)
    if not 0 < alpha < 1:
        raise EquinoiseError(f"--alpha {alpha}: a probability between 0 and 1, such as 0.05")
    found, kept = read_relations(run), read_part(run, OBJECTS)
    chosen = space or ("text" if found.text else "vision")
    relation_of, name = _relation(found, chosen, encoder)
    card = read_json(run / "run.json")
    records = [r for r in read_records(run) if r.prompt == found.concept and r.intervention == UNTOUCHED]
    if not records:
        raise EquinoiseError(f"{run} has no untouched images of '{found.concept}' to count")
    classes = classes_of(card.get("about") or {}, card.get("results") or {}, records)
    labels = (kept[0].get("detector") or {}).get("labels") if kept else None
    seen = frequencies(records, found.attributes, classes, labels)
    names = [found.attributes[place].name for place in seen.places]
    if len(names) < 2:
        why = "; ".join(f"{entry['attribute']}: {entry['reason']}" for entry in seen.skipped[:3])
        raise EquinoiseError(f"{len(names)} attributes have a frequency in {run}, and pairs need two ({why})")
    result = find_disagreements(found.concept, names, relation_of(seen.places), seen.shown, alpha).to_json()
    for entry, source in zip(result["attributes"], seen.sources, strict=True):
        entry["source"] = source
    result |= {"space": chosen, "encoder_name": name, "skipped": list(seen.skipped)}
    write_part(run, DISAGREEMENTS, {"command": "misalign", "space": chosen, "encoder": name, "alpha": alpha}, result)
    return result


def _relation(found: Relations, space: str, encoder: str | None) -> tuple[Callable[[tuple[int, ...]], Relation], str]:
    """How to take the relation of the attributes at some places, and the encoder's name."""
    if space not in SPACES:
        raise EquinoiseError(f"--space {space}: use one of {', '.join(SPACES)}")
    known: Mapping[str, Any] = found.vision if space == "vision" else found.text
    if not known or (encoder is not None and encoder not in known):
        there = ", ".join(known) or f"no {space.removesuffix('-raw')} encoder"
        raise EquinoiseError(f"these relations were measured in {there}; relate again, or choose another --space")
    name = encoder or next(iter(known))
    if space == "vision":
        return lambda places: of_images(found.vision[name].part(places)), name
    return lambda places: of_texts(found.text[name].part(places), space == "text"), name
