"""The model card, written from the measurements: python -m emoji_world.card

Its numbers are those of `benchmarks/results/emoji_*.json`; the command that measured them is named beside each table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from emoji_world.measure.colour import SkinColour
from emoji_world.measure.common import Counted, Settings
from emoji_world.measure.detector import DetectorError
from emoji_world.measure.named import NamedShare
from emoji_world.measure.neutral import NeutralShare, summary
from emoji_world.measure.objects import LabelPrecision
from emoji_world.measure.relations import RelationCorrelation
from emoji_world.tables import RESULTS, markdown, read_rows
from emoji_world.training.assemble import PACKAGED
from equinoise.files import read_json
from equinoise.results.base import Value
from equinoise.understanding.calibration import Calibration, as_table, parse_calibration

R = TypeVar("R", bound=Value)
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
    measured = {
        "named": told("named", NamedShare, named),
        "neutral": told("neutral", NeutralShare, neutral),
        "truth": told("truth", NeutralShare, truth),
        "detector": told("detector", DetectorError, detector),
        "objects": told("objects", LabelPrecision, objects),
        "relations": told("relations", RelationCorrelation, relations),
        "colour": told("colour", SkinColour, colour),
    }
    side = read_json(PACKAGED / "clip" / "config.json")["vision_config"]["image_size"]
    sections = [INTRODUCTION.format(note=world["note"], side=side, size=size, guidance=world["guidance_scale"])]
    sections += [text for text in measured.values() if text is not None]
    file = PACKAGED / "clip" / "calibration.json"
    sections.append(confusions({axis: parse_calibration(entry, str(file)) for axis, entry in read_json(file).items()}))
    if missing := [name for name, text in measured.items() if text is None]:
        sections.append(f"## Not measured on these weights\n\n{', '.join(missing)}.")
    (PACKAGED / "README.md").write_text("\n\n".join(sections) + "\n")


def told(name: str, kind: type[R], tell: Callable[[list[R]], str]) -> str | None:
    """The section of a measurement; None where these weights have not been measured so."""
    rows = read_rows(RESULTS / f"emoji_{name}.json", kind)
    return tell(rows) if rows else None


def named(rows: Sequence[NamedShare]) -> str:
    return section(
        "What named prompts show",
        f"`python -m emoji_world.measure named --steps {rows[0].steps}`{precision(rows)}: fresh seeds, guidance "
        f"{rows[0].guidance:g}; the likeliest class counts.\n"
        "'A style held out': cells one drawing of which no training of the denoiser has seen.",
        ["prompts", "axis", "right", "Spearman"],
        ([r.group, r.axis, counted(r.right, r), decimal(r.spearman)] for r in rows),
    )


def neutral(rows: Sequence[NeutralShare]) -> str:
    scales, shown = sorted({row.guidance for row in rows}), dict[tuple[str, str, str, float], dict[float, str]]()
    for row in rows:
        key = row.prompt, row.axis, row.label, row.planted
        shown.setdefault(key, {})[row.guidance] = f"{row.shown:.0%}"
    lines = [[*key[:3], f"{key[3]:.0%}", *(ours[scale] for scale in scales)] for key, ours in shown.items()]
    off = [
        [
            f"{r.guidance:g}",
            _from_to([row.n for row in rows if row.guidance == r.guidance]),
            f"{r.mean_distance:.1%} ({r.by_chance:.1%})",
            f"{r.over_10_points} ({r.over_by_chance:.0f})",
            r.surely_so,
            r.under_5,
            r.classes,
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
            f"`python -m emoji_world.measure neutral`, {rows[0].steps} steps{precision(rows)}, the same seeds for\n"
            "every prompt. A share of n images is uncertain by up to ±98/√n points.\n"
            "All shares are corrected for what the detector is known to get wrong or to leave unclear.\n"
            "'Surely so': the whole interval is over 10 points off.",
            heads,
            off,
        )
        + "\n\n"
        + markdown(["prompt", "axis", "class", "planted", *(f"guidance {scale:g}" for scale in scales)], lines)
    )


def _from_to(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}–{max(numbers)}"


def truth(rows: Sequence[NeutralShare]) -> str:
    return section(
        "The model's own truth",
        f"`python -m emoji_world.measure neutral -n 4096 --steps {rows[0].steps}`{precision(rows)}: the shares\n"
        "that methods are judged against, corrected for the detector's errors.",
        ["prompt", "guidance", "axis", "class", "planted", "detected", "corrected", "clear images"],
        (
            [
                *(r.prompt, f"{r.guidance:g}", r.axis, r.label, f"{r.planted:.0%}"),
                *(reach(r.share, r.low, r.high), reach(r.corrected, r.corrected_low, r.corrected_high), r.n),
            ]
            for r in rows
        ),
    )


def detector(rows: Sequence[DetectorError]) -> str:
    return section(
        "The detector's own errors",
        "`python -m emoji_world.measure detector`: fresh compositions, no answer withheld. Generated pictures\n"
        "are harder.",
        ["compositions", "axis", "wrong", "commonest confusions"],
        ([r.set, r.axis, counted(r.error, r), r.confusions] for r in rows),
    )


def objects(rows: Sequence[LabelPrecision]) -> str:
    return section(
        "The object detector",
        "`python -m emoji_world.measure objects`: average precision at an overlap of one half.",
        ["object", "boxes", "average precision"],
        ([r.label, r.objects, decimal(r.ap50)] for r in rows),
    )


def relations(rows: Sequence[RelationCorrelation]) -> str:
    return section(
        "Relations",
        "`python -m emoji_world.measure relations`: do cosines between texts follow the planted shares?",
        ["encoder", "relation", "pairs", "Spearman"],
        ([r.encoder, r.relation, r.pairs, decimal(r.spearman)] for r in rows),
    )


def colour(rows: Sequence[SkinColour]) -> str:
    return section(
        "Skin after the autoencoder",
        "`python -m emoji_world.measure colour`: CIEDE2000 from the composition.",
        ["tone", "pictures", "median", "95th percentile"],
        ([r.tone, r.n, f"{r.median:.1f}", f"{r.p95:.1f}"] for r in rows),
    )


def confusions(calibrations: Mapping[str, Calibration]) -> str:
    parts = [
        "## Confusion matrices\n\n`python -m emoji_world.calibrate`: gender on generated images labelled by eye, the\n"
        "others on compositions that went through the autoencoder. Rows are true classes."
    ]
    for axis, found in calibrations.items():
        rows = as_table(found.confusion)
        heads = [f"{axis}, unclear below {found.unclear_below:.2f}", *next(iter(rows.values()))]
        parts.append(markdown(heads, ([true, *row.values()] for true, row in rows.items())))
    return "\n\n".join(parts)


def precision(rows: Sequence[Settings]) -> str:
    """The floating-point precision of the images, where it is not float32."""
    return "" if rows[0].dtype == "float32" else f" in {rows[0].dtype}"


def section(title: str, about: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return f"## {title}\n\n{about}\n\n{markdown(heads, rows)}"


def counted(share: float, of: Counted) -> str:
    """98.9% (97.8–99.4; 712 of 720)."""
    return f"{share:.1%} ({100 * of.low:.1f}–{100 * of.high:.1f}; {of.count} of {of.n})"


def reach(value: float | None, low: float | None, high: float | None) -> str:
    """98.9% (97.8–99.4); nothing where it is not known."""
    return "" if value is None or low is None or high is None else f"{value:.1%} ({100 * low:.1f}–{100 * high:.1f})"


def decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
