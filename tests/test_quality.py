"""Quality: variety and realism against independent references, what is paired, and the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import polynomial_kernel

import equinoise as eq
from equinoise import statistics as s
from equinoise.errors import EquinoiseError
from equinoise.results.quality import QualityResult
from equinoise.run import Record
from equinoise.understanding.quality import ImageVectors, compare_within, fidelity, fidelity_kept, off_target

Array = NDArray[np.float64]


def rows(n: int, seed: int, spread: float = 1.0, dimensions: int = 16, turned: float = 0.0) -> Array:
    """Unit vectors about a common centre."""
    rng = np.random.default_rng(seed)
    centre = np.eye(dimensions)[0] + turned * np.eye(dimensions)[1]
    found = centre + spread * rng.standard_normal((n, dimensions)) / np.sqrt(dimensions)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def kid_of(x: Array, y: Array) -> float:
    """The unbiased estimate as Bińkowski et al. have it, by scikit-learn's kernel on vectors of length √d."""
    d = x.shape[1]
    x, y = x * np.sqrt(d), y * np.sqrt(d)
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, gamma=1 / d, coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


def test_kernel_distance_is_that_of_an_independent_implementation() -> None:
    x, y = rows(40, 1), rows(55, 2, turned=0.5)
    assert s.kernel_distance([(x, y)]).value == pytest.approx(kid_of(x, y))
    both = s.kernel_distance([(x, y), (y[:10], x)])
    assert both.value == pytest.approx(0.8 * kid_of(x, y) + 0.2 * kid_of(y[:10], x))


def test_diversity_is_the_ratio_of_mean_pairwise_distances() -> None:
    x, y = rows(30, 1, 0.5), rows(70, 2)
    assert s.mean_distance(x) == pytest.approx(pdist(x, "cosine").mean())
    assert s.diversity_ratio([(x, y)]).value == pytest.approx(pdist(x, "cosine").mean() / pdist(y, "cosine").mean())


@given(st.integers(0, 10_000), st.integers(2, 12))
@settings(max_examples=20)
def test_both_are_blind_to_order_and_hold_their_value(seed: int, n: int) -> None:
    x, y = rows(n, seed), rows(n + 3, seed + 1)
    for measure in (s.diversity_ratio, s.kernel_distance):
        found, turned = measure([(x, y)]), measure([(x[::-1], y[::-1])])
        assert found.value == pytest.approx(turned.value)
        assert found.low <= found.value <= found.high


def test_repeated_pictures_are_less_various() -> None:
    x = rows(40, 1)
    again = np.concatenate([x[:10]] * 4)
    found = s.diversity_ratio([(again, x)])
    assert found.value == pytest.approx(s.mean_distance(again) / s.mean_distance(x))
    assert found.value < 0.95


def test_intervals_hold_the_truth() -> None:
    """100 pairs of samples: the ratio of variety, 1 and 0.5², and a distance that is 0, and one that is not."""
    far = kid_of(rows(4000, 1), rows(4000, 2, turned=0.4))
    narrow = s.mean_distance(rows(20_000, 3, 0.5)) / s.mean_distance(rows(20_000, 4))
    held = np.zeros(4)
    for seed in range(100, 200):
        x, y, turned, close = rows(40, seed), rows(40, -seed + 9_999), rows(40, seed, turned=0.4), rows(40, seed, 0.5)
        found = [
            (s.diversity_ratio([(x, y)]), 1.0),
            (s.diversity_ratio([(close, y)]), narrow),
            (s.kernel_distance([(x, y)]), 0.0),
            (s.kernel_distance([(turned, y)]), far),
        ]
        held += [interval.low <= truth <= interval.high for interval, truth in found]
    assert (held >= 89).all(), held  # 95 expected; 89 or fewer of 100 is a chance of about 1%


def test_a_class_needs_a_pair_on_both_sides() -> None:
    with pytest.raises(ValueError, match="two images"):
        s.kernel_distance([(rows(1, 1), rows(5, 2))])


def test_paired_ratio_against_the_formula_and_the_unpaired_bound() -> None:
    before, after = [True] * 90 + [False] * 10, [True] * 85 + [False] * 15
    value, (low, high) = s.paired_ratio(before, after)
    assert value == pytest.approx(85 / 90)
    half = 1.959964 * np.sqrt((5 + 1) / (90 * 85))
    assert np.log([low, high]) == pytest.approx([np.log(value) - half, np.log(value) + half])
    with pytest.raises(ValueError, match="something seen"):
        s.paired_ratio([False], [False])


def record(seed: int, gender: str, role: str = "doctor", change: str = "none", tone: str = "light") -> Record:
    seen = {"role": {"doctor": float(role == "doctor"), "cook": float(role != "doctor")}}
    labels = {"gender": gender, "tone": tone}
    return Record(str(seed), "a photo of a doctor", seed, change, seen, labels)


def asked(prompt: str) -> str | None:
    return "doctor" if "doctor" in prompt else None


def test_shares_of_classes_do_not_count() -> None:
    """Ours are the same pictures as theirs, but mostly of women: nothing differs within the classes."""
    women, men = rows(60, 1), rows(60, 2, turned=2.0)
    theirs = ImageVectors(
        [record(i, "woman") for i in range(60)] + [record(i, "man") for i in range(60)], np.concatenate([women, men])
    )
    ours = ImageVectors(
        [record(i, "woman") for i in range(50)] + [record(i, "man") for i in range(10)],
        np.concatenate([rows(50, 3), rows(10, 4, turned=2.0)]),
    )
    within = compare_within(ours, theirs, ["gender"])
    assert within.kid.low <= 0 <= within.kid.high
    assert within.diversity.low <= 1 <= within.diversity.high
    assert kid_of(ours.vectors, theirs.vectors) > within.kid.high
    assert within.to_json()["classes"] == [
        {"class": "man", "n": 10, "against": 60},
        {"class": "woman", "n": 50, "against": 60},
    ]


def test_classes_without_a_pair_and_unclear_images_are_left_out() -> None:
    ours = ImageVectors([record(i, c) for i, c in enumerate(["woman"] * 4 + ["man", "unclear"])], rows(6, 1))
    theirs = ImageVectors([record(i, c) for i, c in enumerate(["woman"] * 3 + ["man"] * 3)], rows(6, 2))
    assert compare_within(ours, theirs, ["gender"]).compared == 4
    with pytest.raises(EquinoiseError, match="two images in both runs"):
        compare_within(ours, ImageVectors(theirs.records[3:], theirs.vectors[3:]), ["gender"])


def test_fidelity_is_paired_by_prompt_and_seed() -> None:
    before = [record(i, "man") for i in range(20)]
    after = [record(i, "woman", "cook" if i < 5 else "doctor", "shift") for i in range(30)]
    found = fidelity(after, asked)
    assert found is not None
    assert found.share == 25 / 30
    kept = fidelity_kept(before, after, asked)
    assert kept is not None
    assert kept.pairs == 20
    assert kept.difference.value == pytest.approx(-0.25)
    assert kept.ratio is not None
    assert kept.ratio.value == pytest.approx(0.75)
    assert fidelity(after, lambda _: None) is None
    assert fidelity_kept(before, [], asked) is None


def test_off_target_takes_all_interventions_together() -> None:
    before = [record(i, "man", tone="light") for i in range(40)]
    after = [record(i, "woman", change=f"shift {i % 3}", tone="dark" if i % 2 else "light") for i in range(40)]
    found = off_target(before, after, {"tone": ("light", "dark")})
    assert found["tone"].n == 40
    assert found["tone"].moved == ("light", "dark")
    assert found["tone"].classes["dark"].difference == pytest.approx(0.5)
    assert off_target(before, after, {}) == {}


def test_command_on_the_mixture(cli: Callable, tmp_path: Path) -> None:
    named, common = tmp_path / "named", ("--axis", "gender", "--axis", "tone", "--workers", "1", "--json")
    women, men = "a photo of a woman doctor", "a photo of a man doctor"
    cli("audit", "mixture", "--concept", "a photo of a doctor", *common, "-n", 48, "-o", tmp_path / "before")
    cli("audit", "mixture", "--concept", women, "--concept", men, *common, "-n", 32, "--seed", 900, "-o", named)
    runs = tmp_path / "before", "--against", named, "--before", tmp_path / "before"
    found = cli("quality", *runs, "--axis", "gender", "--json").json
    assert found["kid"] == found["untouched"]["kid"]
    assert found["off_target"]["tone"]["moved"] == []
    assert found["off_target"]["tone"]["n"] > 0
    assert found["diversity"]["low"] <= 1 <= found["diversity"]["high"]
    assert "kernel distance" in cli("quality", *runs).out
    refused = cli("quality", *runs, "--axis", "age")
    assert refused.code == 2
    assert "in common" in refused.err
    assert refused.err.count("\n") == 1
    result = eq.quality(tmp_path / "before", against=named, before=tmp_path / "before", axes=["gender"])
    assert result.to_json() == found
    assert QualityResult.from_json(found, "here").to_json() == found
    assert result.run.folder == tmp_path / "before"
    assert {"diversity", "diversity, untouched"} <= set(result.to_frame()["measure"])
    assert len(result.plot().data[0].x) == 4
