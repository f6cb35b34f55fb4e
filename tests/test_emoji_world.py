"""The world the emoji model is made from. The drawings are not needed here."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emoji_world.captions import Scene, draw_caption, draw_scene, noun_phrases, vocabulary, with_article
from emoji_world.compose import background
from emoji_world.tokenizer import learn_tokenizer, make_tokenizer
from emoji_world.train_clip import truth
from emoji_world.training import Schedule, load_average, train
from emoji_world.world import Person, all_people, draw_person, is_held_out, planted, roles, tones
from equinoise.models.loading import EMOJI, describe, load


def test_planted_shares_are_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    drawn = [draw_person(rng, names_gender=False, names_tone=False, role="doctor") for _ in range(n)]
    for axis, shares in planted("doctor").items():
        found = Counter(getattr(person, axis) for person in drawn)
        for name, share in shares.items():
            assert found[name] / n == pytest.approx(share, abs=4 * (share * (1 - share) / n) ** 0.5)


def test_planted_shares_are_shares_and_leave_every_class() -> None:
    for role in roles():
        for shares in planted(role).values():
            assert sum(shares.values()) == pytest.approx(1)
            assert min(shares.values()) >= 0.08
            assert max(shares.values()) <= 0.85


def test_named_axes_are_uniform() -> None:
    rng = np.random.default_rng(1)
    drawn = Counter(draw_person(rng, True, True, "pilot").gender for _ in range(2000))
    assert drawn["woman"] / 2000 == pytest.approx(0.5, abs=0.05)


def test_one_tenth_of_the_cells_is_held_out_and_never_drawn() -> None:
    held = [person for person in all_people() if is_held_out(person)]
    people = [person for person in all_people() if person.role != "person"]
    assert len(held) / len(people) == pytest.approx(0.1)
    rng = np.random.default_rng(2)
    assert not any(is_held_out(draw_scene(rng).person) for _ in range(3000))


def test_captions_are_true_and_name_what_they_say() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        scene = draw_scene(rng)
        words = draw_caption(rng, scene).replace("-", " ").split()
        says = bool({"woman", "female", "lady", "man", "male", "gentleman"} & set(words))
        assert says == scene.names_gender
        if scene.names_gender:
            assert bool({"woman", "female", "lady"} & set(words)) == (scene.person.gender == "woman")
    assert "female physician" in noun_phrases("doctor", "woman")
    assert with_article("olive-skinned artist") == "an olive-skinned artist"


def test_every_caption_word_is_one_token_and_unknown_words_do_not_fail() -> None:
    tokenizer = make_tokenizer()
    for phrase in list(vocabulary())[::37]:
        assert len(tokenizer.tokenize(phrase)) == len(phrase.replace("-", " - ").split())
    for text in ("a zebra 中文 ñ 🧑🏿", "", "x" * 500):
        assert tokenizer(text, padding="max_length", truncation=True).input_ids[0] == tokenizer.bos_token_id
    assert learn_tokenizer().tokenize("a dark-skinned physician") == tokenizer.tokenize("a dark-skinned physician")


def test_truth_of_captions() -> None:
    woman = Scene(Person("doctor", "woman", "dark", "google"), names_gender=True, names_tone=False)
    man = Scene(Person("doctor", "man", "dark", "google"), names_gender=False, names_tone=True)
    plain = Scene(Person("person", "man", "light", "google"), names_gender=False, names_tone=False)
    assert truth([woman, man, plain], [woman, man]).tolist() == [[1, 1, 1], [0, 1, 1]]


def test_backgrounds_are_far_from_skin() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        pixels = np.asarray(background(rng), int)
        assert pixels.shape == (64, 64, 3)
        # skin is clearly redder than blue; no background is
        assert (pixels[..., 0] - pixels[..., 2]).max() < 40


class Line(nn.Module):
    """A model small enough to train in a test."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)


def test_a_killed_training_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emoji_world.training.CHECKPOINT_SECONDS", 0)

    def run(path: Path, kill_at: int | None = None) -> nn.Module:
        model = Line()

        def loss(step: int) -> Tensor:
            if step == kill_at:
                raise KeyboardInterrupt
            x = torch.randn((8, 3), generator=torch.Generator().manual_seed(step))
            value: Tensor = (model.layer(x) - x.sum(1, keepdim=True)).pow(2).mean()
            return value

        return train(model, loss, Schedule(30, 0.05, warmup=5), path, "line")

    whole = run(tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed.safetensors", kill_at=17)
    resumed = run(tmp_path / "killed.safetensors")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert torch.equal(load_average(tmp_path / "whole.safetensors", Line()).layer.weight, whole.layer.weight)


def test_the_schedule_warms_up_and_decays() -> None:
    schedule = Schedule(1000, 1.0, warmup=100)
    assert schedule.at(0) == pytest.approx(0.01)
    assert schedule.at(100) == pytest.approx(1)
    assert schedule.at(1000) == pytest.approx(0.02)


def test_the_packaged_model_says_what_it_is() -> None:
    card = describe("emoji")
    assert "planted by us" in card["note"]
    assert set(card["roles"]) == set(roles())
    assert card["planted"]["doctor"]["gender"]["woman"] == planted("doctor")["gender"]["woman"]
    assert list(card["planted"]["doctor"]["tone"]) == tones()
    assert sum(p.stat().st_size for p in EMOJI.rglob("*") if p.is_file()) <= 40e6
    assert max(p.stat().st_size for p in EMOJI.rglob("*.safetensors")) <= 14e6 * 1.05
    assert not list(EMOJI.rglob("*.bin")) + list(EMOJI.rglob("*.pt")) + list(EMOJI.rglob("*.pkl"))
    assert type(load("emoji").pipeline).__name__ == "StableDiffusionPipeline"
    json.dumps(card)
