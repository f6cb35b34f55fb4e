"""Estimators: they find what is there, say nothing of what is not, and equal the textbook."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories import traces
from sklearn.svm import SVC

from equinoise.directions.cross_validation import held_out
from equinoise.directions.estimators import ESTIMATORS, fit, paired
from equinoise.directions.traces import Traces
from equinoise.errors import EquinoiseError, EquinoiseWarning
from equinoise.statistics import wilson


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_finds_the_planted_direction(estimator: str) -> None:
    made, truth = traces(n=60)
    directions = fit(made, estimator, [10], permutations=19)
    woman, man = directions.find("woman", 10), directions.find("man", 10)
    assert woman.vector.ravel() @ truth > (0.8 if estimator == "svm" else 0.95)  # a hard margin fits the noise as well
    assert np.array_equal(woman.vector, -man.vector)  # so that the two cancel to the last bit
    assert np.linalg.norm(woman.vector) == pytest.approx(1, abs=1e-5)
    assert woman.origin.accuracy > 0.8  # type: ignore[operator]
    assert woman.origin.p == 0.05
    assert not directions.skipped


def test_sharing_seeds_is_what_cancels_the_noise() -> None:
    made, truth = traces(n=60, effect=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquinoiseWarning)  # too weak to tell single images apart, not to be found
        together = fit(made, "paired", [10], 1).find("woman", 10)
    rows = np.r_[0:30, 90:120]  # women of 30 seeds, men of 30 others
    latents = made.latents[10].astype(float)
    apart = latents[rows[:30]].mean(0) - latents[rows[30:]].mean(0)
    assert together.vector.ravel() @ truth > apart @ truth / np.linalg.norm(apart) + 0.2


def test_mean_and_paired_agree_on_complete_pairs() -> None:
    made, _ = traces(n=20)
    mean, paired_ = (fit(made, name, [10], 1).find("woman", 10) for name in ("mean", "paired"))
    assert mean.cosine(paired_) == pytest.approx(1, abs=1e-6)


def test_dual_svm_is_the_primal_one() -> None:
    """On latents divided by 0.18215 with C = 1, as the authors' scripts have it, and with a soft margin."""
    made, _ = traces(n=30)
    x = made.latents[10].reshape(60, -1).astype(float) / 0.18215
    for c in (1.0, 1e-4):
        theirs = SVC(kernel="linear", C=c).fit(x, made.labels == 0)
        found = fit(made, "svm", [10], permutations=1, c=c).find("woman", 10)
        normal = theirs.coef_.ravel() / np.linalg.norm(theirs.coef_)
        assert found.vector.ravel() @ normal == pytest.approx(1, abs=1e-5)
        assert found.origin.c == c
    assert abs(theirs.dual_coef_).max() == pytest.approx(1e-4)  # this margin is soft: points lie at the bound


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_without_signal_the_accuracy_is_a_half(estimator: str) -> None:
    values, ps = [], []
    for seed in range(12):
        made, _ = traces(n=40, effect=0, seed=seed)
        x = made.latents[10].astype(float)
        x -= x.mean(0)
        found = held_out(ESTIMATORS[estimator], x @ x.T, np.where(made.labels == 0, 1.0, -1.0), made.seeds, 19)
        values.append(found.accuracy)
        ps.append(found.p)
    assert np.mean(values) == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.array(ps) <= 0.05) <= 0.2


def test_chance_is_warned_of() -> None:
    made, _ = traces(n=20, effect=0)
    with pytest.warns(EquinoiseWarning, match="no better than chance") as told:
        fit(made, "mean", [10], 1)
    assert {warning.filename for warning in told} == {__file__}  # the line that called `fit`


def test_an_ordered_axis_gives_one_direction_along_the_scale() -> None:
    made, truth = traces(n=30, classes=("light", "medium", "dark"), ordered=True)
    for estimator in ESTIMATORS:
        directions = fit(made, estimator, [10], 9)
        assert len(directions.directions) == 1
        dark = directions.find("dark", 10)
        assert dark.vector.ravel() @ truth > 0.8
        assert dark.origin.accuracy > 0.8  # type: ignore[operator]


def test_unordered_classes_give_each_against_the_rest_and_pairs() -> None:
    made, _ = traces(n=20, classes=("hut", "house", "mansion"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquinoiseWarning)  # the middle one is not told from the rest by a line
        directions = fit(made, "mean", [10], 1)
    assert directions.labels() == ["hut", "house", "mansion", "hut-vs-house", "hut-vs-mansion", "house-vs-mansion"]
    assert [d.origin.kind for d in directions.directions] == ["one_vs_rest"] * 3 + ["pairwise"] * 3
    assert [(d.origin.label, d.origin.against) for d in directions.directions[3:]] == [
        ("hut", "house"),
        ("hut", "mansion"),
        ("house", "mansion"),
    ]
    assert [d.name for d in directions.directions][2:4] == ["mansion@10", "hut-vs-house@10"]


def test_the_noise_itself_is_skipped_where_the_prompt_sets_the_class() -> None:
    made, _ = traces(n=20)
    directions = fit(made, "svm", permutations=1)
    assert directions.steps() == [10]
    assert [(skip.axis, skip.step) for skip in directions.skipped] == [("gender", "T")]
    assert "the prompt set the class" in directions.skipped[0].reason
    detected, _ = traces(n=20, detected=True)
    assert detected.can_tell("T")


def test_bad_asks() -> None:
    made, _ = traces(n=10)
    with pytest.raises(EquinoiseError, match="no estimator 'lda'"):
        fit(made, "lda")
    with pytest.raises(EquinoiseError, match="step 3 was not captured"):
        fit(made, "svm", [3])
    with pytest.raises(EquinoiseError, match="step 3 was not captured; there are T, 10"):
        fit(made, "svm", ["T", 10, 3], permutations=10**9)  # refused before anything is fitted
    with pytest.raises(EquinoiseError, match="nothing is paired"):
        paired(np.eye(4), np.array([1.0, -1, 1, -1]), np.arange(4))


def test_traces_survive_the_disk_and_subsets(tmp_path: Path) -> None:
    folder = tmp_path
    made, _ = traces(n=5, classes=("light", "medium", "dark"), ordered=True)
    assert made.save(str(folder)) == folder / "traces.safetensors"
    again = Traces.load(str(folder))
    assert np.array_equal(Traces.load(folder / "traces.safetensors").labels, made.labels)
    assert again.classes == made.classes
    assert list(again.latents) == ["T", 10]
    assert np.array_equal(again.latents[10], made.latents[10])
    ends = again.subset(("light", "dark"))
    assert len(ends.labels) == 10
    assert set(ends.labels) == {0, 1}
    with pytest.raises(EquinoiseError, match="no class 'blue'"):
        again.subset(("light", "blue"))
    (folder / "traces.safetensors").write_bytes(b"1234567")
    with pytest.raises(EquinoiseError, match="damaged"):
        Traces.load(folder)


@pytest.mark.parametrize("estimator", ["svm", "mean"])
def test_a_rare_class_is_told_as_well_as_a_common_one(estimator: str) -> None:
    """Detected classes are unequal: 12 against 68 with the signal of 40 against 40."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(300) / np.sqrt(300)
    labels = np.where(np.arange(80) < 12, 1.0, -1.0)
    x = rng.standard_normal((80, 300)) * 0.5 + 2 * labels[:, None] * truth
    x -= x.mean(0)
    gram = x @ x.T / np.trace(x @ x.T) * 80
    found = held_out(ESTIMATORS[estimator], gram, labels, np.arange(80), 19)
    assert found.accuracy > 0.85
    assert found.p == 0.05
    assert found.low < wilson(80, 80).low - 0.03  # twelve images are not worth eighty


def test_classes_that_were_not_seen_do_not_stop_the_others() -> None:
    made, _ = traces(n=20, classes=("hut", "house", "mansion"))
    part = made.subset(("hut", "house"))
    unseen = replace(part, classes=made.classes, detected=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquinoiseWarning)
        directions = fit(unseen, "mean", [10], 1)
    assert "hut-vs-house" in directions.labels()
    assert "mansion" not in directions.labels()
    reasons = [skip.reason for skip in directions.skipped]
    assert len(reasons) == 3  # against the rest, and both pairs with it
    assert "nothing tells 'mansion' from 'rest'" in reasons[0]
    assert "nothing tells 'house' from 'mansion'" in reasons[2]


def test_not_a_number_is_refused() -> None:
    made, _ = traces(n=10)
    made.latents[10][0, 0] = np.nan
    with pytest.raises(EquinoiseError, match="hold NaN"):
        fit(made, "mean", [10], 1)
