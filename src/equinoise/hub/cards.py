"""The card of shared directions or of a plan: what it is, what it was made from, what it did, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from equinoise.directions.direction import DirectionSet, Origin
from equinoise.steering.plan import Plan

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


class Audited(Protocol):
    """The result of an audit."""

    def to_json(self) -> Mapping[str, Any]:
        """The audit object, as `equinoise audit --json` prints it."""


@dataclass(frozen=True)
class Notes:
    """What a card says beyond what the shared value holds.

    Attributes:
        before, after: audits without and with it, on the same seeds: results of `audit`, or the objects that
            `equinoise audit --json` prints.
        intended_use: replaces the general sentence.
        limits: added to the general ones.
        licence: as the hub abbreviates it, such as `apache-2.0`.
    """

    before: Mapping[str, Any] | Audited | None = None
    after: Mapping[str, Any] | Audited | None = None
    intended_use: str = INTENDED_USE
    limits: tuple[str, ...] = ()
    licence: str | None = None

    def audits(self) -> dict[str, Mapping[str, Any]]:
        """`before` and `after` → the audit object, of those that were given."""
        given = {"before": self.before, "after": self.after}
        return {name: a if isinstance(a, Mapping) else a.to_json() for name, a in given.items() if a is not None}


@dataclass(frozen=True)
class Source:
    """What some directions were fitted on, and their names."""

    names: tuple[str, ...]
    model: Mapping[str, Any]
    sampling: Mapping[str, Any]
    prompts: Mapping[str, str]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class ClassRow:
    """A class of an audited axis, with its share in words in each audit that was given."""

    concept: str
    axis: str
    label: str
    shares: tuple[str, ...]


def card(what: DirectionSet | Plan, notes: Notes) -> str:
    """README.md: a header that the hub reads, and text for people."""
    from huggingface_hub import ModelCardData

    plan = what if isinstance(what, Plan) else None
    origins = _origins(what)
    axes = ", ".join(dict.fromkeys(origin.axis for origin in origins))
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
        title=f"Plan: {plan.concept}" if plan else f"Directions: {axes}",
        plan=plan,
        origins=origins,
        first=origins[0] if origins else None,
        sources=_sources(origins),
        columns=tuple(notes.audits()),
        audits=_class_rows(notes),
        notes=notes,
        limits=(*LIMITS, *notes.limits),
        percent=lambda share: f"{share:.1%}",
        seeds=_seeds,
        accuracy=_accuracy,
    )


def _origins(what: DirectionSet | Plan) -> list[Origin]:
    """The origins of all terms of all directions, each once."""
    found: list[Origin] = []
    for origin in (term.origin for direction in what.directions for term in direction.terms):
        if origin not in found:  # origins hold mappings, and so have no hash
            found.append(origin)
    return found


def _sources(origins: Sequence[Origin]) -> list[Source]:
    """What the directions were fitted on, with the names of those that share it."""
    found: list[Source] = []
    for origin in origins:
        made = Source((origin.name,), origin.model, origin.sampling, origin.prompts, origin.seeds)
        same = next((i for i, one in enumerate(found) if replace(one, names=made.names) == made), None)
        if same is None:
            found.append(made)
        else:
            found[same] = replace(made, names=(*found[same].names, origin.name))
    return found


def _accuracy(origin: Origin) -> str:
    if origin.accuracy is None:
        return "not known"
    return f"{origin.accuracy:.2f} ({origin.low:.2f}–{origin.high:.2f})"


def _seeds(seeds: Sequence[int]) -> str:
    if not seeds:
        return "seeds that are not recorded"
    return f"{len(seeds)} seeds from {min(seeds)} to {max(seeds)}"


def _class_rows(notes: Notes) -> list[ClassRow]:
    """A row for each class of each audit, with a share for each of before and after that was given."""
    given = [{(a["concept"], a["axis"]): a for a in found["audits"]} for found in notes.audits().values()]
    keys = dict.fromkeys(key for audits in given for key in audits)
    return [
        ClassRow(_cell(concept), axis, label, tuple(_share(audits.get((concept, axis)), label) for audits in given))
        for concept, axis in keys
        for label in next(audits[concept, axis] for audits in given if (concept, axis) in audits)["classes"]
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _share(audit: Mapping[str, Any] | None, label: str) -> str:
    found = audit["classes"].get(label) if audit else None
    if audit is None or found is None or found["share"] is None:
        return "not measured"
    share, low, high = (f"{100 * found[key]:.0f}" for key in ("share", "low", "high"))
    return f"{share}% ({low}–{high}), {found['count']} of {audit['n'] - audit['unclear']}"
