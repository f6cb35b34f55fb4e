"""The algebra of directions, and that nothing is lost on disk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import direction, origin, traces
from hypothesis import given
from hypothesis import strategies as st

from equinoise.directions.direction import Direction, DirectionSet, Skipped
from equinoise.directions.estimators import fit
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.steering.intervention import Intervention, Shift

NOISE = torch.randn((5, 4, 3, 3), generator=torch.Generator().manual_seed(0))
DATA = Path(__file__).parent / "data"
OLD = json.loads((DATA / "version-0.1.json").read_text())


def shifted(d: Direction, weight: float, how: str = "add") -> torch.Tensor:
    return Intervention((Shift(d, weight, how),)).apply(NOISE)  # type: ignore[arg-type]


def test_identities_leave_the_noise_bit_for_bit() -> None:
    d = direction()
    assert torch.equal(shifted(d, 0), NOISE)
    assert torch.equal(shifted(d - d, 7), NOISE)
    assert torch.equal(Intervention().apply(NOISE), NOISE)
    assert torch.equal(shifted(2 * d, 1), shifted(d, 2))
    assert torch.equal(shifted(-d, 3), shifted(d, -3))
    assert torch.equal(shifted(d, 3), NOISE + 3 * torch.tensor(d.vector))


def test_save_and_load_change_nothing(tmp_path: Path) -> None:
    both = DirectionSet(
        (direction(0), direction(1, step="T", label="dark", axis="tone", kind="scale", against="light")),
        (Skipped("gender", "T", "the prompt set the class"),),
    )
    both.save(tmp_path / "d.safetensors")
    again = DirectionSet.load(str(tmp_path / "d.safetensors"))
    for ours, theirs in zip(both.directions, again.directions, strict=True):
        assert ours.terms == theirs.terms
        assert torch.equal(shifted(ours, 3), shifted(theirs, 3))
    assert again.find("woman", 10).name == "woman@10"
    assert again.steps() == [10, "T"]
    assert again.skipped == both.skipped
    assert again.to_json() == both.to_json()


def test_an_ordered_axis_has_one_direction_with_two_signs() -> None:
    d = direction(label="dark", axis="tone", kind="scale", against="light")
    pair = DirectionSet((d,))
    assert np.array_equal(pair.find("light", 10).vector, -d.vector)
    assert pair.labels() == ["dark", "light"]
    with pytest.raises(EquinoiseError, match="no direction towards 'medium'"):
        pair.find("medium", 10)


def pairs() -> DirectionSet:
    """Three classes as `fit` gives them: one against the rest each, and every pair."""
    fields = {"axis": "house"}
    rest = [direction(i, label=name, kind="one_vs_rest", against="rest", **fields) for i, name in enumerate("abc")]
    two = [("a", "b"), ("a", "c"), ("b", "c")]
    found = [direction(3 + i, label=a, kind="pairwise", against=b, **fields) for i, (a, b) in enumerate(two)]
    return DirectionSet((*found, *rest))  # pairs first: `find` looks at the kind, not at the order


def test_pairs_of_classes_are_found_by_both_classes() -> None:
    found = pairs()
    assert found.find("a", 10).origin.kind == "one_vs_rest"
    assert found.find("a", 10, against="rest") is found.find("a", 10)
    a_b = found.find("a", 10, against="b")
    assert (a_b.name, a_b.origin.label, a_b.origin.against) == ("a-vs-b@10", "a", "b")
    assert np.array_equal(found.find("b", 10, against="a").vector, -a_b.vector)
    for label, against in [("a", "d"), ("rest", "a"), ("d", None)]:
        with pytest.raises(EquinoiseError, match=f"no direction towards '{label}'"):
            found.find(label, 10, against)
    with pytest.raises(EquinoiseError, match="at step 3; there are a-vs-b, a-vs-c, b-vs-c, a, b, c at steps 10"):
        found.find("a", 3, against="b")


def test_the_printed_name_finds_every_direction() -> None:
    found = pairs() + DirectionSet((direction(label="dark", axis="tone", kind="scale", against="light"),))
    assert [found.named(d.origin.towards, 10) for d in found.directions] == list(found.directions)
    assert len({d.name for d in found.directions}) == len(found.directions)
    assert np.array_equal(found.named("light", 10).vector, -found.named("dark", 10).vector)
    assert found.labels() == ["a-vs-b", "a-vs-c", "b-vs-c", "a", "b", "c", "dark", "light"]
    for name in ("b-vs-a", "a-vs-rest", "light-vs-dark"):
        with pytest.raises(EquinoiseError, match=f"no direction towards '{name}'"):
            found.named(name, 10)


def test_a_name_that_looks_like_a_pair_is_a_class_like_any_other() -> None:
    own = DirectionSet((direction(label="cat-vs-dog", against="rest", kind="one_vs_rest"),))
    assert own.named("cat-vs-dog", 10) is own.find("cat-vs-dog", 10) is own.directions[0]


def test_sets_are_joined_with_what_was_skipped() -> None:
    first = DirectionSet((direction(0),), (Skipped("gender", "T", "x"),))
    second = DirectionSet((direction(1),), (Skipped("tone", 3, "y"),))
    both = first + second
    assert both.directions == (*first.directions, *second.directions)
    assert both.skipped == (*first.skipped, *second.skipped)
    assert both.total == 50
    assert (both + DirectionSet((direction(2, sampling={"steps": 25}),))).total is None


def test_the_rows_that_fit_prints() -> None:
    columns = ["axis", "class", "against", "step", "estimator", "accuracy", "low", "high", "p"]
    (row,) = DirectionSet((direction(),)).to_json()
    assert list(row) == columns
    assert row == direction().to_json()
    assert row["class"] == "woman"
    assert [entry["class"] for entry in pairs().to_json()][:2] == ["a-vs-b", "a-vs-c"]


def test_directions_of_version_0_1_are_read() -> None:
    found = DirectionSet.load(DATA / "directions-0.1.safetensors")
    assert [(d.name, d.digest, d.to_json()) for d in found.directions] == [
        (old["name"], old["digest"], old["row"]) for old in OLD["directions"]
    ]
    assert found.labels() == OLD["labels"]
    kinds = {d.origin.towards: (d.origin.kind, d.origin.label, d.origin.against) for d in found.directions[:9]}
    assert kinds == {
        "woman": ("two_class", "woman", "man"),
        "man": ("two_class", "man", "woman"),
        "dark": ("scale", "dark", "light"),
        "hut": ("one_vs_rest", "hut", "rest"),
        "house": ("one_vs_rest", "house", "rest"),
        "mansion": ("one_vs_rest", "mansion", "rest"),
        "hut-vs-house": ("pairwise", "hut", "house"),
        "hut-vs-mansion": ("pairwise", "hut", "mansion"),
        "house-vs-mansion": ("pairwise", "house", "mansion"),
    }
    assert found.find("hut", 10, against="mansion") is found.named("hut-vs-mansion", 10)
    assert found.skipped == ()


def test_version_0_1_fitted_the_same_directions(recwarn: pytest.WarningsRecorder) -> None:
    """The files were written by version 0.1, from the traces that are made here again."""
    old = DirectionSet.load(DATA / "directions-0.1.safetensors")
    scale, _ = traces(n=12, dimensions=24, classes=("light", "medium", "dark"), ordered=True, seed=1)
    many, _ = traces(n=12, dimensions=24, classes=("hut", "house", "mansion"), seed=2)
    axes = [traces(n=12, dimensions=24)[0], scale, dataclasses.replace(many, axis="house")]
    new = sum((fit(made, "paired", [10], permutations=9) for made in axes), DirectionSet(()))
    for ours, theirs in zip(new.directions, old.directions, strict=False):
        assert np.allclose(ours.vector.ravel(), theirs.vector.ravel(), atol=1e-6)
        assert ours.terms == theirs.terms
    assert len(new.directions) == len(old.directions) - 2  # a part at right angles and a difference are in the file too


@given(st.floats(-20, 20, allow_subnormal=False), st.floats(-20, 20, allow_subnormal=False))
def test_sums_and_multiples(a: float, b: float) -> None:
    d, e = direction(0), direction(1, label="dark")
    total = a * d + b * e
    assert np.allclose(total.vector, np.float32(a) * d.vector + np.float32(b) * e.vector)
    assert [t.coefficient for t in total.terms] == [a, b]
    two = Intervention((Shift(d, a), Shift(e, b)))
    assert torch.allclose(two.apply(NOISE), shifted(total, 1), atol=1e-5)
    assert two.kl_nats == pytest.approx(Shift(total, 1).kl_nats, abs=1e-4)


def test_directions_are_frozen() -> None:
    d = direction()
    with pytest.raises(ValueError, match="read-only"):
        d.vector[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        d.vector = d.vector  # type: ignore[misc]


def test_orthogonal_part() -> None:
    d, e, f = direction(0), direction(1), direction(2)
    rest = d.orthogonal_to([e, f])
    assert abs(rest.cosine(e)) < 1e-6
    assert abs(rest.cosine(f)) < 1e-6
    assert np.linalg.norm(rest.vector) == pytest.approx(1, abs=1e-6)
    assert rest.cosine(d) > 0
    assert rest.name == "woman@10⟂woman@10⟂woman@10"
    assert rest.origin.accuracy is None
    assert rest.digest != d.digest
    with pytest.raises(EquinoiseError, match="lies wholly"):
        d.orthogonal_to([d])


def test_directions_of_different_models_do_not_mix() -> None:
    other = direction(1, model={"name": "n", "weights": "xyz"})
    with pytest.raises(EquinoiseError, match="different models"):
        direction(0) + other
    with pytest.raises(EquinoiseError, match="different models"):
        direction(0) + direction(0, shape=(4, 2, 2))


def test_impossible_directions_are_refused() -> None:
    with pytest.raises(EquinoiseError, match="direction is zero"):
        Direction.unit(np.zeros((4, 3, 3)), origin())
    with pytest.raises(EquinoiseError, match="finite"):
        Direction(np.full((2, 2), np.nan, np.float32), ())
    with pytest.raises(EquinoiseError, match="finite"):
        Shift(direction(), float("nan"))


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    good = tmp_path / "good.safetensors"
    DirectionSet((direction(),)).save(good)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(good.read_bytes()[:-20])
    with pytest.raises(EquinoiseError, match="damaged"):
        DirectionSet.load(cut)
    with pytest.raises(EquinoiseError, match="no such file"):
        DirectionSet.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(EquinoiseError, match="damaged"):
        DirectionSet.load(tmp_path / "text.safetensors")
    arrays, about = read_arrays(good)
    for terms in ([[{"coefficient": 1}]], [[{"coefficient": 1, "origin": {"label": 3}}]], [3], [[], []]):
        write_arrays(tmp_path / "odd.safetensors", arrays, {**about, "terms": terms})
        with pytest.raises(EquinoiseError, match="damaged"):
            DirectionSet.load(tmp_path / "odd.safetensors")
    write_arrays(tmp_path / "plan.safetensors", arrays, {**about, "kind": "plan"})
    with pytest.raises(EquinoiseError, match="not a file of directions"):
        DirectionSet.load(tmp_path / "plan.safetensors")


def test_truncated_draw_lies_above_and_is_normal_there() -> None:
    d = direction()
    noise = torch.randn((4000, 4, 3, 3), generator=torch.Generator().manual_seed(1))
    unit = torch.tensor(d.vector)
    moved = Intervention((Shift(d, 1.0, "truncate"),)).apply(noise)
    score = (moved * unit).flatten(1).sum(1).numpy()
    assert score.min() >= 1 - 1e-4
    # mean of N(0, 1) above 1 is φ(1)/(1 − Φ(1)) = 1.525
    assert score.mean() == pytest.approx(1.525, abs=0.03)
    rest = noise - (noise * unit).flatten(1).sum(1).view(-1, 1, 1, 1) * unit
    rest_moved = moved - (moved * unit).flatten(1).sum(1).view(-1, 1, 1, 1) * unit
    assert torch.allclose(rest, rest_moved, atol=1e-4)


def test_reflection_keeps_the_distance_and_turns_the_side() -> None:
    d = direction()
    unit = torch.tensor(d.vector)
    before, after = ((z * unit).flatten(1).sum(1) for z in (NOISE, shifted(d, 0, "reflect")))
    assert torch.allclose(after, before.abs(), atol=1e-5)
    assert torch.allclose(shifted(d, 0, "reflect").norm(), NOISE.norm(), atol=1e-4)


def test_kl_nats_is_the_divergence_from_standard_normal_noise() -> None:
    d = direction()
    with pytest.raises(EquinoiseError, match="no normal draw"):
        Shift(d, 40, "truncate")
    assert Shift(d, 4).kl_nats == pytest.approx(8)
    assert Shift(d, 0, "truncate").kl_nats == pytest.approx(np.log(2))
    assert Shift(d, 5, "reflect").kl_nats == pytest.approx(np.log(2))
    assert Intervention((Shift(d, 2), Shift(-d, 2))).kl_nats == pytest.approx(0, abs=1e-9)
