"""What the emoji model's measurements make of counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emoji_world.measure.__main__ import others
from emoji_world.measure.neutral import shown, summary


def row(
    planted: float, share: float, corrected: tuple[float, float, float] | None = None, **more: Any
) -> dict[str, Any]:
    low, high = share - 0.04, share + 0.04
    known = corrected or (None, None, None)
    found = {"guidance": 1.0, "prompt": "a photo of a judge", "class": "woman", "n": 256, "role_right": 1.0}
    found |= {"planted": planted, "share": share, "low": low, "high": high}
    return found | dict(zip(("corrected", "corrected_low", "corrected_high"), known, strict=True)) | more


def test_neutral_shares_are_corrected_where_errors_are_known() -> None:
    assert shown(row(0.3, 0.24, (0.35, 0.28, 0.42))) == 0.35
    assert shown(row(0.3, 0.24)) == 0.24


def test_neutral_shares_are_summed_up_by_guidance() -> None:
    rows = [
        row(0.30, 0.15, (0.33, 0.25, 0.40)),  # the detector missed them: three points off
        row(0.20, 0.33),  # thirteen points off, nine of them beyond chance
        row(0.45, 0.60, (0.62, 0.58, 0.70)),  # surely off
        row(0.00, 0.30),  # never planted: no share to be near to
        row(0.20, 0.04, guidance=3.0),
    ]
    one, three = summary(rows)
    assert (one["guidance"], one["classes"], one["over 10 points"], one["surely so"], one["under 5%"]) == (
        1,
        3,
        2,
        1,
        0,
    )
    assert one["mean distance"] == pytest.approx((0.03 + 0.13 + 0.17) / 3)
    assert one["largest"] == pytest.approx(0.17)
    assert (three["rarest share"], three["under 5%"], three["over 10 points"]) == (0.04, 1, 1)


def test_chance_alone_is_beside_the_distance() -> None:
    [few] = summary([row(0.5, 0.5, n=24)])
    [many] = summary([row(0.5, 0.5, n=2400)])
    assert few["by chance"] == pytest.approx(10 * many["by chance"], rel=0.05)
    assert few["over by chance"] > 0.2
    assert many["over by chance"] < 1e-6


def test_what_was_measured_of_other_prompts_and_scales_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "neutral.json"
    judge, doctor = ({"prompt": f"a photo of a {role}"} for role in ("judge", "doctor"))
    known = [
        row(0.3, 0.2, weights="new", **doctor),
        row(0.3, 0.2, weights="new", **judge),
        row(0.3, 0.2, weights="new", **judge) | {"guidance": 3.0},
        row(0.3, 0.2, weights="old", **doctor),
    ]
    assert others(path, known[:1]) == []
    path.write_text(json.dumps(known))
    assert others(path, [row(0.3, 0.4, weights="new", **judge)]) == [known[0], known[2]]
