"""The model card, written from the measurements: python -m emoji_world.card

Every figure in it stands in `benchmarks/results/emoji_*.json` and was printed by the command named beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emoji_world.measure.neutral import shown, summary
from emoji_world.training.assemble import PACKAGED
from equinoise.files import read_json

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
Row = dict[str, Any]
INTRODUCTION = """# The emoji model

{note}

An ordinary diffusers `StableDiffusionPipeline` (`CLIPTextModel`, `UNet2DConditionModel`, `AutoencoderTiny`, DDIM) of
{side}×{side} pixels, trained by us on compositions of openly licensed emoji art (Noto, Twemoji, Fluent: see the
repository's NOTICE); in `clip/` a `CLIPModel` that detects, in `objects/` a YOLOS that finds objects. {size:.1f} MB of
safetensors in fp16. `world.json` holds roles, planted shares and the default guidance scale, {guidance:g}.

Intended use: to test, to teach, and to compare methods where the truth is known. Not for anything else: it draws
emoji, its tones are recolourings, and no effect size on it carries over to photographs.

This page is written by `python -m emoji_world.card` from the JSON of the commands named in it; brackets are 95%
intervals. How the world is made: `docs/emoji-world.md`; how it was trained: `emoji_world/TRAINING.md`."""


def main() -> None:
    """Write `README.md` beside the weights."""
    world = read_json(PACKAGED / "world.json")
    size = sum(path.stat().st_size for path in PACKAGED.rglob("*.safetensors")) / 1e6
    measured = {"named": named, "neutral": neutral, "truth": truth, "detector": detector, "objects": objects}
    measured |= {"relations": relations, "colour": colour}
    found = {name: read for name in measured if (read := results(name)) is not None}
    side = read_json(PACKAGED / "clip" / "config.json")["vision_config"]["image_size"]
    sections = [INTRODUCTION.format(note=world["note"], side=side, size=size, guidance=world["guidance_scale"])]
    sections += [measured[name](rows) for name, rows in found.items()]
    sections.append(confusions(read_json(PACKAGED / "clip" / "calibration.json")))
    if missing := [name for name in measured if name not in found]:
        sections.append(f"## Not measured on these weights\n\n{', '.join(missing)}.")
    (PACKAGED / "README.md").write_text("\n\n".join(sections) + "\n")


def results(name: str) -> list[Row] | None:
    """The rows of a measurement; None where these weights have not been measured so."""
    path = RESULTS / f"emoji_{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def named(rows: list[Row]) -> str:
    return section(
        "What named prompts show",
        f"`python -m emoji_world.measure named --steps {rows[0]['steps']}`{precision(rows)}: fresh seeds, guidance "
        f"{rows[0]['guidance']:g}; the likeliest class counts.\n"
        "'A style held out': cells one drawing of which no training of the denoiser has seen.",
        ["prompts", "axis", "right", "Spearman"],
        ([r["group"], r["axis"], counted(r, "right"), decimal(r["spearman"])] for r in rows),
    )


def neutral(rows: list[Row]) -> str:
    scales, lines = sorted({row["guidance"] for row in rows}), []
    for key in dict.fromkeys((r["prompt"], r["axis"], r["class"], r["planted"]) for r in rows):
        ours = {r["guidance"]: r for r in rows if (r["prompt"], r["axis"], r["class"], r["planted"]) == key}
        lines.append([*key[:3], f"{key[3]:.0%}", *(f"{shown(ours[scale]):.0%}" for scale in scales)])
    off = [
        [
            f"{r['guidance']:g}",
            _from_to([row["n"] for row in rows if row["guidance"] == r["guidance"]]),
            f"{r['mean distance']:.1%} ({r['by chance']:.1%})",
            f"{r['over 10 points']} ({r['over by chance']:.0f})",
            r["surely so"],
            r["under 5%"],
            r["classes"],
        ]
        for r in summary(rows)
    ]
    heads = [
        "guidance",
        "clear images a prompt",
        "mean distance from planted (by chance)",
        "classes over 10 points off (by chance)",
        "surely so",
        "classes under 5%",
        "of",
    ]
    return (
        section(
            "What neutral prompts show",
            f"`python -m emoji_world.measure neutral`, {rows[0]['steps']} steps{precision(rows)}, the same seeds for\n"
            "every prompt. A share of n images is uncertain by up to ±98/√n points.\n"
            "All shares are corrected for what the detector is known to get wrong or to leave unclear.\n"
            "'Surely so': the whole interval is over 10 points off.",
            heads,
            off,
        )
        + "\n\n"
        + table(["prompt", "axis", "class", "planted", *(f"guidance {scale:g}" for scale in scales)], lines)
    )


def _from_to(numbers: list[int]) -> str:
    return f"{min(numbers)}–{max(numbers)}"


def truth(rows: list[Row]) -> str:
    return section(
        "The model's own truth",
        f"`python -m emoji_world.measure neutral -n 4096 --steps {rows[0]['steps']}`{precision(rows)}: the shares\n"
        "that methods are judged against, corrected for the detector's errors.",
        ["prompt", "guidance", "axis", "class", "planted", "detected", "corrected", "clear images"],
        (
            [
                *(r["prompt"], f"{r['guidance']:g}", r["axis"], r["class"], f"{r['planted']:.0%}"),
                *(counted(r, "share", False), bracket(r["corrected"], r["corrected_low"], r["corrected_high"]), r["n"]),
            ]
            for r in rows
        ),
    )


def detector(rows: list[Row]) -> str:
    return section(
        "The detector's own errors",
        "`python -m emoji_world.measure detector`: fresh compositions, no answer withheld. Generated pictures\n"
        "are harder.",
        ["compositions", "axis", "wrong", "commonest confusions"],
        ([r["set"], r["axis"], counted(r, "error"), r["confusions"]] for r in rows),
    )


def objects(rows: list[Row]) -> str:
    return section(
        "The object detector",
        "`python -m emoji_world.measure objects`: average precision at an overlap of one half.",
        ["object", "boxes", "average precision"],
        ([r["label"], r["objects"], decimal(r["ap50"])] for r in rows),
    )


def relations(rows: list[Row]) -> str:
    return section(
        "Relations",
        "`python -m emoji_world.measure relations`: do cosines between texts follow the planted shares?",
        ["encoder", "relation", "pairs", "Spearman"],
        ([r["encoder"], r["relation"], r["pairs"], decimal(r["spearman"])] for r in rows),
    )


def colour(rows: list[Row]) -> str:
    return section(
        "Skin after the autoencoder",
        "`python -m emoji_world.measure colour`: CIEDE2000 from the composition.",
        ["tone", "pictures", "median", "95th percentile"],
        ([r["tone"], r["n"], f"{r['median']:.1f}", f"{r['p95']:.1f}"] for r in rows),
    )


def confusions(calibrations: Mapping[str, Any]) -> str:
    parts = [
        "## Confusion matrices\n\n`python -m emoji_world.calibrate`: gender on generated images labelled by eye, the\n"
        "others on compositions that went through the autoencoder. Rows are true classes."
    ]
    for axis, entry in calibrations.items():
        rows = entry["confusion"]
        heads = [f"{axis}, unclear below {entry['unclear_below']:.2f}", *next(iter(rows.values()))]
        parts.append(table(heads, ([true, *row.values()] for true, row in rows.items())))
    return "\n\n".join(parts)


def precision(rows: list[Row]) -> str:
    """In what numbers the images were made, where it is not fp32."""
    kind = rows[0].get("dtype", "float32")
    return "" if kind == "float32" else f" in {kind}"


def section(title: str, about: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return f"## {title}\n\n{about}\n\n{table(heads, rows)}"


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def counted(row: Row, name: str, with_counts: bool = True) -> str:
    """98.9% (97.8–99.4; 712 of 720)."""
    counts = f"; {row['count']} of {row['n']}" if with_counts else ""
    return f"{row[name]:.1%} ({100 * row['low']:.1f}–{100 * row['high']:.1f}{counts})"


def bracket(value: float | None, low: float | None, high: float | None) -> str:
    return "" if value is None or low is None or high is None else f"{value:.1%} ({100 * low:.1f}–{100 * high:.1f})"


def decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
