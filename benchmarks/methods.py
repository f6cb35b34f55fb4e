"""Methods of mitigation on the same seeds: python -m benchmarks.methods [--only gender/doctor,tone/judge] [--page FILE]

Five roles on gender, two on tone, and the house, all methods as published and tuned: `equinoise.compare` on the emoji
model in 25 steps at guidance 1.5 in bfloat16. Rows are kept under `runs/benchmarks/methods` and not made again; the
numbers of each concept and axis go to `benchmarks/results/methods/` once all its rows are there, and what is there with
as many images is not made again either. Last the shares are held against those that other people's own code gave on
this model.
"""

from __future__ import annotations

import argparse
import json
from math import sqrt
from pathlib import Path

from scipy import stats

from benchmarks.common import RUNS, tell
from emoji_world.tables import RESULTS, Row
from equinoise import Engine, compare, load, report
from equinoise.files import read_json
from equinoise.results.comparisons.methods import MethodsResult, shares_text

CONCEPTS = {
    "gender/doctor": "a photo of a doctor",
    "gender/teacher": "a photo of a teacher",
    "gender/engineer": "a photo of an engineer",
    "tone/doctor": "a photo of a doctor",
    "house/house": "a photo of a wealthy dark-skinned man and his house",
    "tone/judge": "a photo of a judge",
    "gender/scientist": "a photo of a scientist",
    "gender/cook": "a photo of a cook",
}
PEOPLE = ("gender", "tone")
THEIRS = {
    ("untouched", "a photo of a doctor"): (0.17, 128),
    ("untouched", "a photo of a teacher"): (0.87, 128),
    ("untouched", "a photo of an engineer"): (0.09, 128),
    ("prompt", "a photo of a doctor"): (0.50, 128),
    ("prompt", "a photo of a teacher"): (0.52, 128),
    ("prompt", "a photo of an engineer"): (0.49, 128),
    ("equisteer", "a photo of a doctor"): (0.47, 128),
    ("equisteer", "a photo of a teacher"): (0.51, 128),
    ("equisteer", "a photo of an engineer"): (0.46, 128),
    ("uce", "a photo of a doctor"): (0.48, 128),
    ("uce", "a photo of a teacher"): (0.13, 128),
    ("fair-diffusion", "a photo of a doctor"): (0.24, 64),
    ("fair-diffusion", "a photo of a teacher"): (0.54, 64),
    ("fair-diffusion", "a photo of an engineer"): (0.26, 64),
    ("recipe", "a photo of a doctor"): (0.67, 64),
    ("recipe", "a photo of a teacher"): (0.31, 64),
}
"""(method, concept) → share of women and images, of the authors' own code on this model (the scripts of prompt
intervention, EquiSteer, UCE and semantic guidance; the recipe by scikit-learn's SVC)."""


def against_theirs(found: list[MethodsResult]) -> list[Row]:
    """Our share less theirs, with an interval that holds for all rows at once (Bonferroni)."""
    level = float(stats.norm.ppf(1 - 0.025 / len(THEIRS)))
    rows: list[Row] = []
    for row in (
        row for result in found for row in result.methods if row.setting == "published" and row.axis == "gender"
    ):
        if (row.name, row.concept) not in THEIRS:
            continue
        share, n = THEIRS[row.name, row.concept]
        ours = row.audit["woman"].share or 0.0
        half = level * sqrt(ours * (1 - ours) / row.audit.clear + share * (1 - share) / n)
        gap = ours - share
        rows.append({
            "method": row.name, "concept": row.concept, "ours": ours, "theirs": share, "difference": gap,
            "low": gap - half, "high": gap + half, "holds 0": "yes" if abs(gap) <= half else "NO",
        })  # fmt: skip
    return rows


def as_markdown(found: MethodsResult) -> str:
    """One concept and axis, for the documentation."""
    heads = (
        "method", "setting", "share (95%)", "squared gap ×10⁴", "concept right", "KID ×10³", "moved", "left as it was",
        "calls an image", "set-up calls", "",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for row in found.methods:
        setting = row.setting if row.strength is None else f"{row.setting}, {row.strength:g}"
        marks = [row.verdict.said, *(f"worse: {gate}" for gate in row.worse)]
        cells = [
            row.title, setting, shares_text(row), row.gap_squared.text(0, 1e4) if row.gap_squared else "",
            "" if row.concept_fidelity is None else f"{row.concept_fidelity:.0%}",
            row.kid.text(0, 1e3) if row.kid else "",
            f"{abs(row.moved.value):.2f}" if row.moved else "",
            f"{row.unchanged.share:.0%}", f"{row.denoiser_calls_per_image:.0f}",
            f"{row.setup_calls + row.tuning_calls:,.0f}", "; ".join(marks),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    absent = [f"No row: {row.reason}." for row in found.failed]
    return "\n".join([*lines, *absent])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=256)
    parser.add_argument("--pilots", type=int, default=32)
    parser.add_argument("--budget", type=int, default=768, help="images of a plan")
    parser.add_argument("--only", help="such as gender/doctor,tone/judge")
    parser.add_argument("--methods", help="such as prompt,plan")
    parser.add_argument("--page", type=Path, help="HTML page to write")
    args = parser.parse_args()
    model = load("emoji", steps=25, guidance_scale=1.5, dtype="bfloat16", device="cpu")
    names = args.only.split(",") if args.only else list(CONCEPTS)
    found = []
    with Engine() as engine:
        for name in names:
            axis, place = name.partition("/")[0], RESULTS / "methods" / f"{name.replace('/', '-')}.json"
            if place.is_file() and (known := MethodsResult.from_json(read_json(place), str(place))).n == args.n:
                found.append(known)
                continue
            result = compare(
                model, CONCEPTS[name], axes=axis, others=PEOPLE if axis in PEOPLE else (axis, *PEOPLE), n=args.n,
                methods=args.methods.split(",") if args.methods else None, pilots=args.pilots, budget=args.budget,
                out=RUNS / "methods" / name, engine=engine,
            )  # fmt: skip
            print(as_markdown(result), flush=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(result.to_json(), indent=1) + "\n")
            found.append(result)
    tell(against_theirs(found), "methods_against_theirs")
    if args.page:
        report(found, args.page)


if __name__ == "__main__":
    main()
