"""The algebra of directions, and that nothing is lost on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import direction, origin
from hypothesis import given
from hypothesis import strategies as st

from equinoise import Direction, DirectionSet, EquinoiseError, Intervention, Shift

NOISE = torch.randn((5, 4, 3, 3), generator=torch.Generator().manual_seed(0))


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
        (direction(0), direction(1, step="T", label="dark", axis="tone", ordered=True, against="light"))
    )
    both.save(tmp_path / "d.safetensors")
    again = DirectionSet.load(tmp_path / "d.safetensors")
    for ours, theirs in zip(both.directions, again.directions, strict=True):
        assert ours.terms == theirs.terms
        assert torch.equal(shifted(ours, 3), shifted(theirs, 3))
    assert again.find("woman", 10).name == "woman@10"
    assert again.steps() == [10, "T"]


def test_an_ordered_axis_has_one_direction_with_two_signs() -> None:
    d = direction(label="dark", axis="tone", ordered=True, against="light")
    pair = DirectionSet((d,))
    assert np.array_equal(pair.find("light", 10).vector, -d.vector)
    assert pair.labels() == ["dark", "light"]
    with pytest.raises(EquinoiseError, match="no direction towards 'medium'"):
        pair.find("medium", 10)


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
    assert rest.terms[0].origin.accuracy is None
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


def test_intrusion_is_the_divergence_from_standard_normal_noise() -> None:
    d = direction()
    with pytest.raises(EquinoiseError, match="no normal draw"):
        Shift(d, 40, "truncate")
    assert Shift(d, 4).kl_nats == pytest.approx(8)
    assert Shift(d, 0, "truncate").kl_nats == pytest.approx(np.log(2))
    assert Shift(d, 5, "reflect").kl_nats == pytest.approx(np.log(2))
    assert Intervention((Shift(d, 2), Shift(-d, 2))).kl_nats == pytest.approx(0, abs=1e-9)
