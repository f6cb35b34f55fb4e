"""What the emoji model's measurements make of counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emoji_world.measure.__main__ import others
from emoji_world.measure.neutral import NeutralShare, summary


def row(planted: float, share: float, corrected: tuple[float, float, float] | None = None, **more: Any) -> NeutralShare:
    found: dict[str, Any] = {
        "steps": 50, "guidance": 1.0, "dtype": "float32", "weights": "", "prompt": "a photo of a judge",
        "role_right": 1.0, "axis": "gender", "label": "woman", "planted": planted, "n": 256, "count": 0, "share": share,
        "low": share - 0.04, "high": share + 0.04,
    }  # fmt: skip
    known = dict(zip(("corrected", "corrected_low", "corrected_high"), corrected or (), strict=corrected is not None))
    return NeutralShare(**found | known | more)


def test_neutral_shares_are_corrected_where_errors_are_known() -> None:
    known, plain = row(0.3, 0.24, (0.35, 0.28, 0.42)), row(0.3, 0.24)
    assert (known.shown, known.ends) == (0.35, (0.28, 0.42))
    assert (plain.shown, plain.ends) == (0.24, pytest.approx((0.20, 0.28)))


def test_neutral_shares_are_summed_up_by_guidance() -> None:
    rows = [
        row(0.30, 0.15, (0.33, 0.25, 0.40)),  # the detector missed them: three points off
        row(0.20, 0.33),  # thirteen points off, nine of them beyond chance
        row(0.45, 0.60, (0.62, 0.58, 0.70)),  # surely off
        row(0.00, 0.30),  # never planted: no share to be near to
        row(0.20, 0.04, guidance=3.0),
    ]
    one, three = summary(rows)
    assert (one.guidance, one.classes, one.over_10_points, one.surely_so, one.under_5) == (1, 3, 2, 1, 0)
    assert one.mean_distance == pytest.approx((0.03 + 0.13 + 0.17) / 3)
    assert one.largest == pytest.approx(0.17)
    assert one.where == "a photo of a judge: woman"
    assert (three.rarest_share, three.under_5, three.over_10_points) == (0.04, 1, 1)
    assert three.to_json()["over 10 points"] == 1


def test_chance_alone_is_beside_the_distance() -> None:
    [few] = summary([row(0.5, 0.5, n=24)])
    [many] = summary([row(0.5, 0.5, n=2400)])
    assert few.by_chance == pytest.approx(10 * many.by_chance, rel=0.05)
    assert few.over_by_chance > 0.2
    assert many.over_by_chance < 1e-6


def test_what_was_measured_of_other_prompts_and_scales_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "neutral.json"
    judge, doctor = ({"prompt": f"a photo of a {role}"} for role in ("judge", "doctor"))
    known = [
        row(0.3, 0.2, weights="new", **doctor),
        row(0.3, 0.2, weights="new", **judge),
        row(0.3, 0.2, weights="new", guidance=3.0, **judge),
        row(0.3, 0.2, weights="old", **doctor),
    ]
    assert others(path, known[:1]) == []
    path.write_text(json.dumps([one.to_json() for one in known]))
    assert others(path, [row(0.3, 0.4, weights="new", **judge)]) == [known[0], known[2]]


def test_rows_have_the_keys_of_the_files_that_were_measured() -> None:
    measured = Path("benchmarks/results/emoji_neutral.json")
    first = json.loads(measured.read_text())[0]
    assert NeutralShare.from_json(first, str(measured)).to_json() == first
    assert list(row(0.3, 0.2).to_json()) == list(first)
