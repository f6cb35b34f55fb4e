"""The target that the denoiser learns, and the pictures that planted prompts ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from emoji_world.captions import sample_caption
from emoji_world.measure.neutral import NeutralShare
from emoji_world.prompts import Prompt, all_prompts, is_asked, planted_share
from emoji_world.scenes import Scene, sample_scene
from emoji_world.training.bank import SCENES, make, odds, sample_rows
from emoji_world.training.denoiser import loss_weights, picture, scheduler, velocity
from emoji_world.training.expected import companions, expected_picture, same_captions
from emoji_world.training.gap import answers
from emoji_world.training.latents import encode
from emoji_world.training.tilt import read_tilts, tilt


def pictures(n: int, k: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((n, k, 2, 3, 3), generator=torch.Generator().manual_seed(seed))


def test_without_a_trace_of_the_picture_its_expectation_is_the_mean() -> None:
    known = pictures(3, 7)
    found = expected_picture(torch.randn(3, 2, 3, 3), known, torch.zeros(3))
    torch.testing.assert_close(found, known.mean(1))


def test_without_noise_it_is_the_picture_itself() -> None:
    known = pictures(3, 7)
    kept = torch.full((3,), 0.9999)
    torch.testing.assert_close(expected_picture(kept[0].sqrt() * known[:, 0], known, kept), known[:, 0])


@given(st.integers(0, 999), st.integers(0, 1000))
@settings(deadline=None, max_examples=50)
def test_it_is_bayes_rule_whoever_comes_first(per_mille: int, seed: int) -> None:
    kept, known = per_mille / 1000, pictures(1, 5, seed)
    noisy = kept**0.5 * known[:, 0] + (1 - kept) ** 0.5 * pictures(1, 1, seed + 1)[:, 0]
    candidates, x = known[0].flatten(1).double().numpy(), noisy.flatten().double().numpy()
    logs = -((x - np.sqrt(kept) * candidates) ** 2).sum(1) / (2 * (1 - kept))
    expected = np.exp(logs - logsumexp(logs)) @ candidates
    for order in ([0, 1, 2, 3, 4], [3, 1, 4, 0, 2]):
        found = expected_picture(noisy, known[:, order], torch.tensor([kept]))
        np.testing.assert_allclose(found.flatten().numpy(), expected, atol=2e-3)


def test_the_target_has_the_mean_of_the_plain_one_and_less_variance() -> None:
    """Regressed on a linear feature of the noisy latent, both targets have the same coefficient."""
    rng = torch.Generator().manual_seed(0)
    world = torch.tensor([-1.0, 1.0, 1.0, 2.0]).view(4, 1, 1, 1)
    drawn = world[torch.randint(4, (40_000, 8), generator=rng)]
    kept = torch.full((len(drawn),), 0.3)
    noisy = 0.3**0.5 * drawn[:, 0] + 0.7**0.5 * torch.randn((len(drawn), 1, 1, 1), generator=rng)
    plain, calm = drawn[:, 0].flatten(), expected_picture(noisy, drawn, kept).flatten()
    feature = noisy.flatten()
    slopes = [float(np.polyfit(feature, target, 1)[0]) for target in (plain, calm)]
    assert slopes[0] == pytest.approx(slopes[1], abs=0.02)
    assert float(plain.mean()) == pytest.approx(float(calm.mean()), abs=0.02)
    assert calm.var() < 0.8 * plain.var()


def test_velocity_is_the_schedulers() -> None:
    noise_schedule, x0, noise = scheduler(), torch.randn(4, 8, 2, 2), torch.randn(4, 8, 2, 2)
    t = torch.tensor([0, 300, 700, 999])
    noisy = noise_schedule.add_noise(x0, noise, t)
    expected = noise_schedule.get_velocity(x0, noise, t)
    kept = noise_schedule.alphas_cumprod[t]
    torch.testing.assert_close(velocity(noisy, x0, kept), expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(picture(noisy, expected, kept), x0, atol=1e-4, rtol=1e-4)


def test_companions_have_the_same_captions() -> None:
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(3000)]
    factors = np.ones(len(scenes))
    factors[7] = 1e9
    groups = same_captions(scenes, factors)
    assert all(row in group.rows for row, group in enumerate(groups))
    assert set(companions(rng, np.array([7]), groups, 20)[0].tolist()) == {7}
    rows = np.array([0, 5, 17])
    drawn = companions(rng, rows, groups, 20)
    assert drawn.shape == (3, 21)
    assert drawn[:, 0].tolist() == rows.tolist()
    for row, beside in zip(rows, drawn, strict=True):
        assert all(captions(scenes[row]) == captions(scenes[other]) for other in set(beside.tolist()))


def captions(scene: Scene) -> set[str]:
    rng = np.random.default_rng(1)
    return {sample_caption(rng, scene) for _ in range(2000)}


@pytest.mark.slow
def test_asked_scenes_fall_as_planted() -> None:
    rng = np.random.default_rng(0)
    scenes = [SCENES["asked"](rng, None) for _ in range(1500)]
    prompts = all_prompts()
    asked = [[prompt for prompt in prompts if is_asked(prompt, scene)] for scene in scenes]
    assert all(len(found) == 1 for found in asked)
    assert {prompt.text for found in asked for prompt in found} == {prompt.text for prompt in prompts}
    weddings = [s.shows["wedding"] for s, [p] in zip(scenes, asked, strict=True) if p.kind == "wedding"]
    share = planted_share(next(p for p in prompts if p.kind == "wedding"), "wedding")["white-veil"]
    margin = 4 * (share * (1 - share) / len(weddings)) ** 0.5
    assert weddings.count("white-veil") / len(weddings) == pytest.approx(share, abs=margin)


@pytest.mark.parametrize("which", SCENES)
def test_a_bank_of_one_role_shows_no_other(which: str) -> None:
    rng = np.random.default_rng(7)
    scenes = [SCENES[which](rng, "detective") for _ in range(40)]
    assert {scene.shows["role"] for scene in scenes} == {"detective"}
    assert any(not scene.names & {"gender", "tone"} for scene in scenes)


@pytest.mark.parametrize("role", ["astronaut", "person"])
def test_a_bank_that_would_never_fill_is_refused(role: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"no cell of the role '{role}' is held out"):
        make(tmp_path / "bank.safetensors", 500, 0, 1, "held-out", role)


@pytest.mark.slow
def test_what_was_shown_too_rarely_is_drawn_more_often(tmp_path: Path) -> None:
    """Rows of one prompt fall as planted times planted / shown; those of other prompts as before."""
    rng = np.random.default_rng(0)
    scenes = [SCENES["asked"](rng, None) for _ in range(3000)]
    birds, house = "a picture of a bird", "a photo of a house"
    path = tmp_path / "neutral.json"
    path.write_text(json.dumps([*measured(birds, "bird", n=100_000, waterbird=0.9, landbird=0.1)]))
    measurement = read_tilts(path)
    planted = planted_share(asked(birds), "bird")
    for name, share in {"waterbird": 0.9, "landbird": 0.1}.items():
        assert measurement[birds, "bird", name] == pytest.approx(np.log(planted[name] / share), rel=0.01)
    factors = tilt(scenes, [measurement, measurement])
    of = {text: np.array([is_asked(asked(text), scene) for scene in scenes]) for text in (birds, house)}
    assert factors[of[house]] == pytest.approx(1.0)
    assert factors[of[birds]].mean() == pytest.approx(1.0)
    water = np.array([scene.shows.get("bird") == "waterbird" for scene in scenes])
    ratio = factors[of[birds] & ~water][0] / factors[of[birds] & water][0]
    assert ratio == pytest.approx((planted["landbird"] / 0.1 / (planted["waterbird"] / 0.9)) ** 2, rel=0.05)
    drawn = sample_rows(rng, odds(scenes, "", factors), 40_000)
    now = drawn[of[birds][drawn]]
    expected = factors[of[birds] & ~water].sum() / factors[of[birds]].sum()
    assert np.mean(~water[now]) == pytest.approx(expected, abs=0.03)


def test_chance_is_not_corrected(tmp_path: Path) -> None:
    path = tmp_path / "neutral.json"
    path.write_text(json.dumps([*measured("a picture of a bird", "bird", n=20, waterbird=0.5, landbird=0.5)]))
    assert set(read_tilts(path).values()) == {0.0}
    path.write_text("[]")
    with pytest.raises(ValueError, match="guidance 1"):
        read_tilts(path)


def asked(text: str) -> Prompt:
    return next(prompt for prompt in all_prompts() if prompt.text == text)


def measured(text: str, axis: str, n: int, **shares: float) -> Iterator[dict[str, Any]]:
    """Rows of `measure neutral`, of a detector whose errors are not known."""
    planted = planted_share(asked(text), axis)
    for name, share in shares.items():
        half = 1.96 * (share * (1 - share) / n) ** 0.5
        yield NeutralShare(
            steps=50, guidance=1.0, dtype="float32", weights="", prompt=text, role_right=1.0, axis=axis, label=name,
            planted=planted[name], n=n, count=round(share * n), share=share, low=share - half, high=share + half,
        ).to_json()  # fmt: skip


def test_errors_count_by_what_can_be_known() -> None:
    kept = scheduler().alphas_cumprod
    weights = loss_weights(kept)
    plain = torch.minimum(kept / (1 - kept), torch.tensor(5.0)).add(1) * (1 - kept)
    assert float(weights[-1]) == pytest.approx(10, rel=0.01)  # pure noise: what is known there is next to nothing
    torch.testing.assert_close(weights[:600], plain[:600], rtol=1e-3, atol=1e-3)
    assert float(weights[700:].diff().min()) > -1e-4


def test_a_denoiser_that_answers_best_has_no_gap() -> None:
    """Of pictures that are all one, the best answer is that picture, whatever the noise."""
    one = torch.randn((1, 8, 16, 16), generator=torch.Generator().manual_seed(3))
    pictures = one.expand(9, -1, -1, -1)
    kept = scheduler().alphas_cumprod

    def knowing(noisy: torch.Tensor, step: int, words: torch.Tensor) -> SimpleNamespace:
        assert words.shape == (len(noisy), 4, 2)
        return SimpleNamespace(sample=velocity(noisy, one, kept[step].expand(len(noisy))))

    said, best = answers(knowing, torch.zeros(1, 4, 2), pictures, torch.tensor([0, 8, 3]), 800)
    torch.testing.assert_close(best, pictures[:3])
    torch.testing.assert_close(said, best, atol=1e-4, rtol=1e-4)


def test_latents_are_kept_and_those_of_other_pictures_refused(tmp_path: Path) -> None:
    calls = []

    class Encoder:
        def to(self, *_: object, **__: object) -> Encoder:
            return self

        def encode(self, x: torch.Tensor) -> SimpleNamespace:
            calls.append(len(x))
            return SimpleNamespace(latents=x.mean(1, keepdim=True)[..., ::8, ::8])

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, 16, 16, 3), np.uint8)
    first = encode(Encoder(), images, tmp_path, "cpu", full_precision=True)
    assert calls == [64, 6]
    assert first.shape == (70, 1, 2, 2)
    assert torch.equal(encode(Encoder(), images, tmp_path, "cpu"), first)
    assert calls == [64, 6]
    for others in (images[:69], images[::-1]):
        with pytest.raises(SystemExit, match="of other pictures"):
            encode(Encoder(), others, tmp_path, "cpu")
