"""The world the emoji model is made from. The drawings are not needed here."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from emoji_world.captions import noun_phrases, sample_caption, vocabulary, with_article
from emoji_world.drawing import backgrounds, recolour
from emoji_world.drawing.brush import Brush
from emoji_world.drawing.canvas import SIZE, Canvas
from emoji_world.labels import IGNORED, facts, label, truth
from emoji_world.measure.named import groups
from emoji_world.measure.objects import Found, average_precision, iou
from emoji_world.prompts import PROMPTS, planted_objects, planted_prompts, planted_share
from emoji_world.scenes import Scene, sample_class, sample_scene
from emoji_world.tokenizer import learn_tokenizer, make_tokenizer
from emoji_world.training.assemble import card
from emoji_world.training.bank import SCENES, decode, encode, odds, sample_rows
from emoji_world.training.denoiser import DECIDING, TRAIN_STEPS, sample_times, scheduler
from emoji_world.training.loop import Schedule, load_average, train
from emoji_world.training.objects import object_detector, targets
from emoji_world.world import (
    STYLES,
    all_people,
    classes,
    is_held_out,
    kinds,
    object_labels,
    planted,
    roles,
    tones,
    world,
)
from equinoise.axes import catalogue
from equinoise.detectors import asked_role
from equinoise.models import load_model
from equinoise.models.worlds import EMOJI
from equinoise.models.worlds import world as packaged_world


def scene(kind: str, names: str = "", **shows: str) -> Scene:
    return Scene(kind, "google", shows, frozenset(names.split()))


def test_planted_shares_are_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    for axis, shares in planted("doctor").items():
        drawn = Counter(sample_class(rng, "person", axis, {"role": "doctor"}, named=False) for _ in range(n))
        for name, share in shares.items():
            assert drawn[name] / n == pytest.approx(share, abs=4 * (share * (1 - share) / n) ** 0.5)


def test_planted_shares_are_shares_and_leave_every_class() -> None:
    for role in roles():
        for shares in planted(role).values():
            assert sum(shares.values()) == pytest.approx(1)
            assert min(shares.values()) >= 0.14
    for prompt in PROMPTS:
        for axis in prompt.axes:
            shares = planted_share(prompt, axis)
            assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
            # "a photo of a man" shows no child; nothing else is impossible
            assert min(share for name, share in shares.items() if name != "child") >= 0.12
            assert max(shares.values()) <= 0.85
    assert len(planted_prompts()) == len(roles()) - 1 + len(PROMPTS)


def test_tone_and_house_depend_on_each_other() -> None:
    rich = {prompt.text: planted_share(prompt, "house") for prompt in PROMPTS if prompt.kind == "home"}
    dark = rich["a photo of a wealthy dark-skinned man and his house"]
    light = rich["a photo of a wealthy light-skinned man and his house"]
    assert [dark["hut"], light["hut"]] == [0.36, 0.12]
    assert [dark["mansion"], light["mansion"]] == [0.17, 0.58]
    # between the two ends it goes step by step, and the marginal lies between them
    both = rich["a photo of a wealthy man and his house"]
    assert light["hut"] < both["hut"] < dark["hut"]


def test_named_axes_are_uniform_over_what_is_possible() -> None:
    rng = np.random.default_rng(1)
    drawn = Counter(sample_class(rng, "person", "gender", {"role": "pilot"}, named=True) for _ in range(2000))
    assert drawn["woman"] / 2000 == pytest.approx(0.5, abs=0.05)
    birds = {sample_class(rng, "bird", "species", {"bird": "waterbird"}, named=True) for _ in range(200)}
    assert birds == {"duck", "swan", "goose", "flamingo"}


def test_one_tenth_of_the_cells_is_held_out_and_never_drawn() -> None:
    held = [person for person in all_people() if is_held_out(person)]
    people = [person for person in all_people() if person.role != "person"]
    assert len(held) / len(people) == pytest.approx(0.1, abs=0.005)
    rng = np.random.default_rng(2)
    assert not any(is_held_out(sample_scene(rng, kind).person) for kind in ("person", "place") for _ in range(1500))


def test_roles_that_show_no_gender_in_a_style_are_not_drawn_in_it() -> None:
    assert {person.style for person in all_people() if person.role == "astronaut"} == {"twitter"}
    assert {person.style for person in all_people() if person.role == "doctor"} == set(STYLES)
    rng = np.random.default_rng(4)
    assert {SCENES["all"](rng, "astronaut").style for _ in range(50)} == {"twitter"}


def test_captions_are_true_and_name_what_they_say() -> None:
    rng = np.random.default_rng(3)
    women, men = {"woman", "female", "lady", "girl", "her"}, {"man", "male", "gentleman", "boy", "his"}
    for _ in range(600):
        drawn = sample_scene(rng)
        if drawn.kind in ("bird", "wedding", "building"):
            continue
        words = set(sample_caption(rng, drawn).replace("-", " ").split())
        assert bool((women | men) & words) == ("gender" in drawn.names)
        if "gender" in drawn.names:
            assert bool(women & words) == (drawn.shows["gender"] == "woman")
            # nobody calls a child a man
            assert drawn.shows.get("age") != "child" or "age" in drawn.names
        if drawn.kind == "home":
            assert bool({"hut", "derelict", "family", "mansion", "castle"} & words) == ("house" in drawn.names)
    assert "female physician" in noun_phrases("doctor", "woman")
    assert with_article("olive-skinned artist") == "an olive-skinned artist"


def test_every_caption_word_is_one_token_and_unknown_words_do_not_fail() -> None:
    tokenizer = make_tokenizer()
    rng = np.random.default_rng(5)
    captions = [sample_caption(rng, sample_scene(rng, kind)) for kind in kinds() for _ in range(60)]
    for phrase in [*list(vocabulary())[::37], *captions, *planted_prompts()]:
        assert len(tokenizer.tokenize(phrase)) == len(phrase.replace("-", " - ").replace(",", " ,").split())
        assert len(tokenizer(phrase).input_ids) <= 32
    for text in ("a zebra 中文 ñ 🧑🏿", "", "x" * 500):
        assert tokenizer(text, padding="max_length", truncation=True).input_ids[0] == tokenizer.bos_token_id
    assert learn_tokenizer().tokenize("a dark-skinned physician") == tokenizer.tokenize("a dark-skinned physician")


def test_the_catalogue_speaks_the_words_of_the_world() -> None:
    tokenizer = make_tokenizer()
    for name in ("gender", "tone", "age", "house", "wedding", "ground", "bird", "place"):
        axis = catalogue()[name]
        assert list(axis.classes) == classes(name)
        for text in [*sum(axis.generate.values(), ()), *sum(axis.detect.values(), ())]:
            assert len(tokenizer.tokenize(text)) == len(text.replace("-", " - ").split()), text


def test_truth_of_captions() -> None:
    def true(captioned: list[Scene], shown: list[Scene]) -> list[list[float]]:
        found: list[list[float]] = truth(facts(captioned), facts(shown)).tolist()
        return found

    woman = scene("person", "role gender", role="doctor", gender="woman", tone="dark")
    man = scene("person", "role tone", role="doctor", gender="man", tone="dark")
    plain = scene("person", "role", role="person", gender="man", tone="light")
    assert true([woman, man, plain], [woman, man]) == [[1, 1, 1], [0, 1, 1]]
    hut = scene("home", "house", wealth="unsaid", gender="man", tone="light", house="hut")
    alone = scene("building", "house", house="hut")
    # a caption of a person is true of a person with a hut, one of a hut of that too, not the other way round
    assert true([plain, alone, hut], [hut]) == [[1, 1, 1]]
    assert true([hut], [plain, alone]) == [[0], [0]]


def test_labels_are_those_that_the_picture_shows() -> None:
    hut = scene("home", wealth="unsaid", gender="man", tone="light", house="hut")
    assert label(hut, "house") == 0
    assert label(hut, "role") == len(roles())
    assert label(hut, "bird") == IGNORED
    assert label(scene("person", role="doctor", gender="man", tone="light"), "age") == classes("age").index("adult")


def test_every_scene_survives_the_bank() -> None:
    rng = np.random.default_rng(6)
    for kind in kinds():
        drawn = sample_scene(rng, kind)
        row = json.loads(json.dumps(encode(drawn, [("hut", (1, 2, 3, 4))])))
        assert decode(row) == drawn
        assert row["objects"] == [["hut", [1, 2, 3, 4]]]


def test_backgrounds_are_far_from_skin() -> None:
    rng = np.random.default_rng(4)
    made = [lambda: backgrounds.background(rng), lambda: backgrounds.meadow(rng, 40), lambda: backgrounds.lake(rng, 30)]
    made += [lambda: backgrounds.office(rng, 44), lambda: backgrounds.laboratory(rng, 44)]
    for make in made:
        for _ in range(20):
            pixels = np.asarray(make(), int)
            assert pixels.shape == (SIZE, SIZE, 3)
            # skin is clearly redder than blue and than green; no background is
            redder = np.minimum(pixels[..., 0] - pixels[..., 2], pixels[..., 0] - pixels[..., 1])
            assert redder.max() < 40
    assert np.asarray(backgrounds.street(rng, 44)).shape == (SIZE, SIZE, 3)


def test_a_box_holds_what_is_left_visible() -> None:
    canvas = Canvas(Image.new("RGB", (SIZE, SIZE)))
    square = Image.new("RGBA", (SIZE, SIZE), (255, 0, 0, 255))
    # places are given in units, boxes in pixels: two a unit
    canvas.put(square, "house", 20, 10, 30)
    canvas.put(square, "man", 20, 20, 30)
    assert canvas.boxes() == [("house", (20, 60, 40, 100)), ("man", (40, 60, 80, 100))]
    canvas.put(square, "woman", 60, 0, 0)
    assert [name for name, _ in canvas.boxes()] == ["woman"]


def test_red_and_gold_takes_white_cloth_and_leaves_skin() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:32] = (245, 245, 245, 255)
    pixels[32:] = (247, 222, 206, 255)
    changed = np.asarray(recolour.red_and_gold(Image.fromarray(pixels, "RGBA")), int)
    assert changed[10, 30, 0] > 2 * changed[10, 30, 1]
    assert changed[50, 30].tolist() == [247, 222, 206, 255]
    bright = np.asarray(recolour.jitter(np.random.default_rng(0), Image.new("RGB", (4, 4), (100, 100, 100))), int)
    assert (abs(bright - 100) <= 25).all()


def test_average_precision_by_hand() -> None:
    box = (0, 0, 10, 10)
    assert iou(box, (0, 0, 10, 5)) == pytest.approx(0.5)
    assert average_precision([[box], [box]], [Found(0, 0.9, box)]) == pytest.approx(0.5)
    # a wrong find that is surer than the right one halves the precision
    assert average_precision([[box]], [Found(0, 0.9, (40, 40, 50, 50)), Found(0, 0.5, box)]) == pytest.approx(0.5)
    # a box counts once
    twice = [Found(0, 0.9, box), Found(0, 0.8, box), Found(1, 0.7, box)]
    assert average_precision([[box], [box]], twice) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision([[box]], []) == 0


def test_the_object_detector_takes_boxes_as_shares_of_the_side() -> None:
    asked = targets([("house", (0, 32, 64, 128))])
    assert asked["boxes"].tolist() == [[0.25, 0.625, 0.5, 0.75]]
    assert object_labels()[asked["class_labels"][0]] == "house"
    model = object_detector()
    out = model(pixel_values=torch.zeros(1, 3, SIZE, SIZE))
    assert out.logits.shape == (1, 10, len(object_labels()) + 1)


def test_nothing_of_the_picture_is_left_at_the_last_step() -> None:
    assert float(scheduler().alphas_cumprod[-1]) < 1e-9
    assert scheduler().config.prediction_type == "v_prediction"


def test_named_prompts_cover_every_class_equally() -> None:
    for group, asked in groups(360, 80).items():
        for axis in asked[0][1]:
            counts = Counter(named[axis] for _, named in asked)
            assert max(counts.values()) - min(counts.values()) <= max(2, len(asked) // 20), (group, axis)


class Line(nn.Module):
    """A model small enough to train in a test."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)


def test_a_killed_training_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emoji_world.training.loop.CHECKPOINT_SECONDS", 0)

    def run(path: Path, kill_at: int | None = None) -> nn.Module:
        model = Line()

        def batch(step: int) -> Tensor:
            if step == kill_at:
                raise KeyboardInterrupt
            return torch.randn((8, 3), generator=torch.Generator().manual_seed(step))

        def loss(x: Tensor) -> Tensor:
            value: Tensor = (model.layer(x) - x.sum(1, keepdim=True)).pow(2).mean()
            return value

        return train(model, batch, loss, Schedule(30, 0.05, warmup=5), path, "line")

    whole = run(tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed.safetensors", kill_at=17)
    resumed = run(tmp_path / "killed.safetensors")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert torch.equal(load_average(tmp_path / "whole.safetensors", Line()).layer.weight, whole.layer.weight)


def test_noise_that_decides_is_trained_more_often() -> None:
    times = sample_times(20_000, 0.5, torch.Generator().manual_seed(0))
    assert 0 <= times.min() < 10
    assert 990 < times.max() < TRAIN_STEPS
    deciding = (times >= DECIDING * TRAIN_STEPS).float().mean().item()
    assert deciding == pytest.approx(0.5 + 0.5 * (1 - DECIDING), abs=0.01)


def test_two_processes_make_the_step_of_both_their_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers(index: int) -> Tensor:
        return torch.randn((8, 3), generator=torch.Generator().manual_seed(index))

    def error(model: nn.Module, x: Tensor) -> Tensor:
        value: Tensor = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        return value

    torch.manual_seed(0)
    alone = nn.Linear(3, 1)
    together, schedule, steps = deepcopy(alone), Schedule(20, 0.05, warmup=5), count()
    train(
        alone,
        lambda k: (numbers(2 * k), numbers(2 * k + 1)),
        lambda both: (error(alone, both[0]) + error(alone, both[1])) / 2,
        schedule,
        tmp_path / "alone",
        "line",
    )

    def add_the_other_process(flat: Tensor) -> None:
        gradients = torch.autograd.grad(error(together, numbers(2 * next(steps) + 1)), list(together.parameters()))
        flat += torch.cat([gradient.flatten() for gradient in gradients])

    processes = SimpleNamespace(
        is_torchelastic_launched=lambda: False,
        is_initialized=lambda: True,
        get_rank=lambda: 0,
        get_world_size=lambda: 2,
        broadcast=lambda clock, source: None,
        barrier=lambda: None,
        all_reduce=add_the_other_process,
    )
    monkeypatch.setattr("emoji_world.training.loop.dist", processes)
    train(together, numbers, lambda x: error(together, x), schedule, tmp_path / "together", "line")
    assert torch.allclose(alone.weight, together.weight, atol=1e-6)


def test_the_schedule_warms_up_and_decays() -> None:
    schedule = Schedule(1000, 1.0, warmup=100)
    assert schedule.at(0) == pytest.approx(0.01)
    assert schedule.at(100) == pytest.approx(1)
    assert schedule.at(1000) == pytest.approx(0.02)
    by_the_clock = Schedule(10**6, 1.0, warmup=100, seconds=60)
    assert by_the_clock.at(5000, elapsed=30) == pytest.approx(0.51)
    assert [by_the_clock.is_over(59), by_the_clock.is_over(61), schedule.is_over(10**6)] == [False, True, False]


def test_some_kinds_are_drawn_more_often_and_alike_within() -> None:
    scenes = [scene("bird"), scene("person", role="doctor"), scene("person", role="person"), scene("bird")]
    cumulative = odds(scenes, "bird=2,person/person=3")
    assert np.diff(cumulative, prepend=0).tolist() == pytest.approx([2 / 8, 1 / 8, 3 / 8, 2 / 8])
    named = [scene("person", names="gender", gender="man"), scene("person", gender="man")]
    assert odds(named, "person+gender=3").tolist() == pytest.approx([0.75, 1.0])
    rows = sample_rows(np.random.default_rng(0), cumulative, 4000)
    assert np.bincount(rows, minlength=4) / 4000 == pytest.approx([2 / 8, 1 / 8, 3 / 8, 2 / 8], abs=0.03)


def test_brush_draws_smoothly_in_units() -> None:
    brush = Brush((0, 0, 0))
    brush.ellipse((16, 16, 48, 48), fill=(255, 255, 255))
    drawn = np.asarray(brush.done(), float)[..., 0] / 255
    assert drawn.shape == (SIZE, SIZE)
    # the area of a disc of radius 16 units, and an edge that is neither black nor white
    assert drawn.sum() / SIZE**2 == pytest.approx(np.pi * 16**2 / 64**2, rel=0.02)
    assert ((drawn > 0.1) & (drawn < 0.9)).any()


def test_the_packaged_model_says_what_it_is() -> None:
    said = packaged_world("emoji")
    assert said is not None
    assert "planted by us" in (said.note or "")
    assert set(roles()) <= set(said.roles)
    assert said.planted["doctor"]["gender"]["woman"] == planted("doctor")["gender"]["woman"]
    assert list(said.planted["doctor"]["tone"]) == tones()
    assert json.dumps(said.to_json()) == json.dumps(json.loads((EMOJI / "world.json").read_text(encoding="utf-8")))
    assert sum(p.stat().st_size for p in EMOJI.rglob("*") if p.is_file()) <= 40e6
    assert max(p.stat().st_size for p in EMOJI.rglob("*.safetensors")) <= 14e6 * 1.05
    assert not list(EMOJI.rglob("*.bin")) + list(EMOJI.rglob("*.pt")) + list(EMOJI.rglob("*.pkl"))
    assert type(load_model("emoji").pipeline).__name__ == "StableDiffusionPipeline"


def test_planted_objects_are_worked_out_from_the_tables() -> None:
    found = planted_objects()
    assert found.keys() == planted_prompts().keys()
    home = found["a photo of a wealthy dark-skinned man and his house"]
    assert home == {"man": 1.0, "hut": 0.36, "derelict house": 0.3, "house": 0.17, "mansion": 0.17}
    assert found["a picture of a wedding"] == {"bride": 1.0, "groom": 1.0}
    assert found["a picture of a waterbird"] == {"waterbird": 1.0, "tree": 0.24}
    office = found["a photo of a person in an office"]
    assert office["computer"] == 0.4375  # one of four things, drawn twice
    assert office["man"] == 0.65
    assert found["a photo of a person in a garden"]["flower"] == 0.9375  # three of its four things are flowers
    assert found["a photo of a person"]["child"] == 0.17
    assert {label for shares in found.values() for label in shares} <= set(object_labels())
    said = packaged_world("emoji")
    assert said is not None
    assert said.objects == found


def test_prompts_ask_for_the_scene_that_they_describe() -> None:
    made = card(2.0)
    assert set(made.roles) == {*roles(), *world().scene_names}
    assert made.scenes["a picture of a waterbird"]["ground"]["water"] == 0.76
    known = {role: entry.names for role, entry in made.roles.items()}
    asked = {
        "a photo of a wealthy dark-skinned man and his house": "home",
        "a photo of a person and a hut": "home",
        "a picture of a wedding": "wedding",
        "a picture of a waterbird": "bird",
        "a photo of a person in an office": "person",
        "a photo of an office worker": "office-worker",
        "a photo of a dark-skinned woman doctor": "doctor",
    }
    for prompt, role in asked.items():
        assert asked_role(prompt, known) == role, prompt
