"""The card of shared directions or of a plan: what it is, where it comes from, what it did, what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from equinoise.directions.origin import Origin

INTENDED_USE = (
    "To shift how often classes are perceived among images of prompts such as those above, on that model with those "
    "settings, by those who generate the images and say that they do so."
)
LIMITS = (
    "It changes the initial noise and nothing in the model: with other prompts, settings or weights the same skew is "
    "there.",
    "Every number describes outputs of one model as one detector perceives them, at one guidance scale and with one "
    "scheduler. It describes no person; nobody's identity can be read off a picture.",
    "A shift along one axis moves others: measure those too, and whether the concept is still shown.",
    "On another model it means nothing, and equinoise refuses it there.",
)


@dataclass(frozen=True)
class Notes:
    """What a card says beyond what the shared value knows of itself.

    Attributes:
        before, after: audit objects without and with it, on the same seeds (as `equinoise audit --json` prints them).
        intended_use: instead of the general sentence.
        limits: in addition to the general ones.
        licence: as the hub abbreviates it, such as `apache-2.0`.
    """

    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    intended_use: str = INTENDED_USE
    limits: tuple[str, ...] = ()
    licence: str | None = None


@dataclass(frozen=True)
class Subject:
    """What a card is about, as the shared value says of itself.

    Attributes:
        kind: name of the class whose `from_pretrained` reads it.
        title: the card's.
        origins: of all directions in it, each once.
        plan: the plan, where it is one.
    """

    kind: str
    title: str
    origins: Sequence[Origin]
    plan: Any = None


def card(subject: Subject, notes: Notes) -> str:
    """README.md: a header that the hub reads, and text for people."""
    from huggingface_hub import ModelCardData

    plan, origins = subject.plan, subject.origins
    tags = ["equinoise", "plan" if plan else "directions", "text-to-image", "fairness"]
    # text for people in Markdown: nothing is escaped
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template("card.md.j2").render(
        header=ModelCardData(library_name="equinoise", tags=tags, license=notes.licence).to_yaml(),
        title=subject.title,
        kind=subject.kind,
        plan=plan,
        origins=origins,
        first=origins[0] if origins else None,
        sources=_sources(origins),
        audits=_audits(notes),
        notes=notes,
        limits=(*LIMITS, *notes.limits),
        percent=lambda share: f"{share:.1%}",
        seeds=_seeds,
        accuracy=_accuracy,
    )


def _sources(origins: Sequence[Origin]) -> list[dict[str, Any]]:
    """Origins that differ only in class, step or estimator stand together."""
    found: list[dict[str, Any]] = []
    for origin in origins:
        made = {k: getattr(origin, k) for k in ("model", "sampling", "prompts", "seeds")}
        same = next((one for one in found if all(one[k] == value for k, value in made.items())), None)
        if same is None:
            found.append({**made, "names": [origin.name]})
        else:
            same["names"].append(origin.name)
    return found


def _accuracy(origin: Origin) -> str:
    if origin.accuracy is None:
        return "not known"
    return f"{origin.accuracy:.2f} ({origin.low:.2f}–{origin.high:.2f})"


def _seeds(seeds: Sequence[int]) -> str:
    if not seeds:
        return "seeds that are not recorded"
    return f"{len(seeds)} seeds from {min(seeds)} to {max(seeds)}"


def _audits(notes: Notes) -> list[dict[str, Any]]:
    """A row for each class of each audit, with a cell for each of before and after that was given."""
    given = {name: found for name, found in (("before", notes.before), ("after", notes.after)) if found is not None}
    by_key = {
        name: {(audit["concept"], audit["axis"]): audit for audit in found["audits"]} for name, found in given.items()
    }
    keys = dict.fromkeys(key for audits in by_key.values() for key in audits)
    return [
        {
            "concept": _cell(concept),
            "axis": axis,
            "label": label,
            "columns": list(by_key),
            "shares": [_share(audits.get((concept, axis)), label) for audits in by_key.values()],
        }
        for concept, axis in keys
        for label in next(a[(concept, axis)] for a in by_key.values() if (concept, axis) in a)["classes"]
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _share(audit: Mapping[str, Any] | None, label: str) -> str:
    found = audit["classes"].get(label) if audit else None
    if audit is None or found is None or found["share"] is None:
        return "not measured"
    share, low, high = (f"{100 * found[key]:.0f}" for key in ("share", "low", "high"))
    return f"{share}% ({low}–{high}), {found['count']} of {audit['n'] - audit['unclear']}"
