"""What the emoji model and its detector can do, measured: the figures of the model card.

    python -m emoji_world.measure detector    the detector's error on compositions it was not trained on
    python -m emoji_world.measure colour      skin colour after the autoencoder, in CIEDE2000
    python -m emoji_world.measure named       what explicit captions show, held-out cells apart
    python -m emoji_world.measure neutral     what neutral captions show, against the planted shares, by guidance

Each prints a table and, with -o, writes JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.color import deltaE_ciede2000, rgb2lab

from emoji_world.art import sprite
from emoji_world.captions import draw_scene, with_article
from emoji_world.compose import compose
from emoji_world.world import STYLES, Person, all_people, genders, is_held_out, planted, roles, tones
from equinoise.axes import Axis, load_axis
from equinoise.console import progress
from equinoise.detectors import DetectorSpec, load_detector, read_label, role_axis
from equinoise.detectors.loading import UNCLEAR_BELOW
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.models import load
from equinoise.models.pipeline import require_pipeline
from equinoise.run import Record
from equinoise.session import Session, open_session
from equinoise.statistics import share_intervals, spearman, wilson

SEED = 7_000_000
Rows = list[dict[str, Any]]


def axes() -> list[Axis]:
    known = role_axis("emoji")
    assert known is not None
    return [known, load_axis("gender"), load_axis("tone")]


def detector(n: int) -> Rows:
    """Share of compositions whose class is told right: fresh ones of trained cells, and of cells never trained on."""
    rng = np.random.default_rng(SEED)
    held = [person for person in all_people() if is_held_out(person)]
    sets = {
        "trained cells": [draw_scene(rng).person for _ in range(n)],
        "held-out cells": [held[i % len(held)] for i in range(n)],
    }
    spec = DetectorSpec("emoji")
    clip, rows = load_detector(spec), []
    for name, people in sets.items():
        images = [compose(rng, person).image for person in people]
        for axis in axes():
            probabilities = np.concatenate([clip.probabilities(images[i : i + 64], axis) for i in range(0, n, 64)])
            read = [read_label(dict(zip(axis.classes, row, strict=True)), spec.unclear_below) for row in probabilities]
            likeliest = [axis.classes[i] for i in probabilities.argmax(1)]
            true = [getattr(person, axis.name) for person in people]
            wrong = sum(a != b for a, b in zip(likeliest, true, strict=True))
            rows.append(
                {
                    "set": name,
                    "axis": axis.name,
                    **_share("error", wrong, n),
                    "unclear": read.count("unclear"),
                    "spearman": _spearman(axis, true, likeliest) if axis.ordered else None,
                }
            )
    return rows


def colour(n: int) -> Rows:
    """CIEDE2000 between the mean skin colour of a composition and of its reconstruction, by tone."""
    vae = require_pipeline(load("emoji")).pipeline.vae
    rng, rows = np.random.default_rng(SEED + 1), []
    for tone in tones():
        differences = []
        for _ in range(n):
            role = roles()[rng.integers(len(roles()))]
            person = Person(role, genders()[rng.integers(2)], tone, STYLES[rng.integers(2)])
            image = np.asarray(compose(rng, person).image)
            skin = np.linalg.norm(image.astype(float) - _skin(person), axis=2) < 12
            if skin.sum() < 20:
                continue
            with torch.no_grad():
                x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
                decoded = vae.decode(vae.encode(x).latents).sample[0].permute(1, 2, 0)
            seen = ((decoded.numpy() + 1) * 127.5).clip(0, 255)
            pair = [rgb2lab(pixels[skin].mean(0) / 255) for pixels in (image, seen)]
            differences.append(float(deltaE_ciede2000(*pair)))  # type: ignore[no-untyped-call]
        values = np.array(differences)
        rows.append(
            {
                "tone": tone,
                "n": len(values),
                "median": float(np.median(values)),
                "p95": float(np.quantile(values, 0.95)),
            }
        )
    return rows


def _skin(person: Person) -> NDArray[np.float64]:
    """The skin colour of a style and tone: the commonest opaque colour of the plain man's face."""
    pixels = np.asarray(sprite(Person("person", "man", person.tone, person.style)))[20:50, 16:48].reshape(-1, 4)
    values, counts = np.unique(pixels[pixels[:, 3] == 255][:, :3], axis=0, return_counts=True)
    return np.asarray(values[counts.argmax()], float)


def named(n: int, guidance_scale: float | None) -> Rows:
    """Explicit captions ("a photo of a dark-skinned woman doctor"), every cell equally often."""
    session = open_session("emoji", guidance_scale=guidance_scale, unclear_below=UNCLEAR_BELOW)
    cells = [cell for cell in product(roles(), genders(), tones()) if cell[0] != "person"]
    people = [cells[i % len(cells)] for i in range(n)]
    prompts = [f"a photo of {with_article(f'{tone}-skinned {gender} {names(role)}')}" for role, gender, tone in people]
    records = _make(session, prompts, range(SEED + 2, SEED + 2 + n))
    rows = []
    held = [any(is_held_out(Person(*cell, style)) for style in STYLES) for cell in people]
    groups = {"all": [True] * n, "cells with a held-out style": held}
    for group, chosen in groups.items():
        for index, axis in enumerate(axes()):
            true = [cell[index] for cell, take in zip(people, chosen, strict=True) if take]
            seen = [_likeliest(r, axis.name) for r, take in zip(records, chosen, strict=True) if take]
            right = sum(a == b for a, b in zip(true, seen, strict=True))
            rows.append(
                {
                    "group": group,
                    "axis": axis.name,
                    **_share("right", right, len(true)),
                    "spearman": _spearman(axis, true, seen) if axis.ordered else None,
                }
            )
    return rows


def neutral(n: int, guidance: Sequence[float], only: Sequence[str]) -> Rows:
    """Neutral captions: shares by class against the planted ones, and whether the role is right."""
    rows = []
    asked = list(only or roles())
    for scale in guidance:
        session = open_session("emoji", guidance_scale=scale, unclear_below=UNCLEAR_BELOW)
        prompts = [f"a photo of {with_article(names(role))}" for role in asked for _ in range(n)]
        made = _make(session, prompts, [SEED + 3 + i for _ in asked for i in range(n)])
        for index, role in enumerate(asked):
            rows += _neutral(scale, role, made[index * n : (index + 1) * n])
    return rows


def _neutral(scale: float, role: str, records: Sequence[Record]) -> Rows:
    rows = []
    faithful = sum(_likeliest(r, "role") == role for r in records)
    for axis in axes()[1:]:
        labels = [r.labels[axis.name] for r in records]
        counts = [labels.count(name) for name in axis.classes]
        for name, count_, interval in zip(axis.classes, counts, share_intervals(counts), strict=True):
            rows.append(
                {
                    "guidance": scale,
                    "role": role,
                    "role_right": faithful / len(records),
                    "axis": axis.name,
                    "class": name,
                    "planted": planted(role)[axis.name][name],
                    "n": sum(counts),
                    "count": count_,
                    "share": count_ / max(1, sum(counts)),
                    "low": interval.low,
                    "high": interval.high,
                }
            )
    return rows


def names(role: str) -> str:
    return role.replace("-", " ")


def _make(session: Session, prompts: Sequence[str], seeds: Sequence[int]) -> list[Record]:
    jobs = [Job(str(index), *job) for index, job in enumerate(zip(prompts, seeds, strict=True))]
    with Engine(session.workers) as engine, progress("images", len(jobs)) as tick:
        return make_images(engine, session.request(axes()[1:]), jobs, tick=tick)


def _likeliest(record: Record, axis: str) -> str:
    found = record.detections[axis]
    return max(found, key=lambda name: found[name])


def _spearman(axis: Axis, true: Sequence[str], seen: Sequence[str]) -> float | None:
    return spearman([axis.classes.index(t) for t in true], [axis.classes.index(s) for s in seen])


def _share(name: str, count_: int, n: int) -> dict[str, Any]:
    interval = wilson(count_, n)
    return {name: count_ / n, "count": count_, "n": n, "low": interval.low, "high": interval.high}


def show(rows: Rows) -> None:
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["detector", "colour", "named", "neutral"])
    parser.add_argument("-n", type=int, default=0, help="images, or images a prompt; default 2000, 100, 720, 256")
    parser.add_argument("--guidance", default="", help="comma-separated; default the model's own")
    parser.add_argument("--roles", default="", help="comma-separated; default all")
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    scales = [float(g) for g in args.guidance.split(",") if g]
    if args.what == "detector":
        rows = detector(args.n or 2000)
    elif args.what == "colour":
        rows = colour(args.n or 100)
    elif args.what == "named":
        rows = named(args.n or 720, scales[0] if scales else None)
    else:
        own = [open_session("emoji").sampling.guidance_scale]
        rows = neutral(args.n or 256, scales or own, [r for r in args.roles.split(",") if r])
    show(rows)
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
