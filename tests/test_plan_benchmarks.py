"""What the measurements of plans rest on: methods compared at equal nats, prompts that name what they should."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import direction

from benchmarks import common
from benchmarks.common import Journal
from benchmarks.directions.shift_methods import Midway, reflected, shifts
from benchmarks.directions.shifts import Line, Moved, table
from benchmarks.plans import robustness
from benchmarks.plans.bench import concept_of, explicit_of
from benchmarks.plans.on_emoji import ROLES, parity_floor
from benchmarks.plans.targets import CELLS, DEPENDENT, ROWS, WEALTHY
from benchmarks.plans.transfer import Transfer
from equinoise import class_prompts, draw_noise
from equinoise.axes import load_axis
from equinoise.models import load_model
from equinoise.models.base import Sampling
from equinoise.models.pipeline import require_pipeline
from equinoise.results.base import Value
from equinoise.runtime.detector import CalibratedDetector, DetectorSettings
from equinoise.statistics import sampling_floor
from equinoise.steering.prompt_filter import PromptFilter, class_words
from equinoise.understanding.counts import crossed
from equinoise.understanding.targets import plan_targets


def test_all_methods_move_the_noise_by_the_same_nats() -> None:
    found = {"own prompts": direction(), "general": direction()}
    for nats in (0.5, 2.0, 4.5):
        made = shifts(found, nats)
        assert set(made) == {"own prompts", "general", "own prompts, truncated"}
        for change in made.values():
            assert change.kl_nats == pytest.approx(nats, rel=1e-5)
    for change in reflected(found).values():
        assert change.kl_nats == pytest.approx(math.log(2), rel=1e-5)


def test_a_shift_of_nothing_midway_leaves_the_pictures_and_another_does_not() -> None:
    model = require_pipeline(load_model("emoji"))
    noise, sampling, said = draw_noise([1, 2], model.latent_shape), Sampling(4, 2.0), ["a photo of a doctor"] * 2
    plain = model.generate(said, noise, sampling).images
    added = np.random.default_rng(0).standard_normal(model.latent_shape).astype(np.float32)
    still = Midway(model, 0 * added, [1]).generate(said, noise, sampling).images
    moved = Midway(model, added, [1]).generate(said, noise, sampling).images
    assert plain is not None
    assert still is not None
    assert moved is not None
    assert [image.tobytes() for image in still] == [image.tobytes() for image in plain]
    assert [image.tobytes() for image in moved] != [image.tobytes() for image in plain]
    assert torch.equal(noise, draw_noise([1, 2], model.latent_shape))


def test_prompts_name_the_role_and_the_classes_and_neutral_ones_do_not() -> None:
    detector, prompt_filter = (
        CalibratedDetector.open(DetectorSettings("emoji")),
        PromptFilter(words=class_words([load_axis("gender"), load_axis("tone")])),
    )
    for role in ROLES:
        assert detector.role(concept_of(role)) == role
        assert prompt_filter.decide(concept_of(role)).touch
        named = explicit_of(role)
        assert len(set(named)) == 10
        assert {detector.role(prompt) for prompt in named} == {role}
        assert not any(prompt_filter.decide(prompt).touch for prompt in named)


def test_prompts_made_from_a_concept_name_the_class_and_what_the_concept_names() -> None:
    detector = CalibratedDetector.open(DetectorSettings("emoji"))
    wanted = {
        ("gender", "a photo of a doctor", "woman"): "a photo of a woman doctor",
        ("gender", "a photo of a person", "man"): "a photo of a man",
        ("tone", "a photo of an engineer", "dark"): "a photo of a dark-skinned engineer",
        ("tone", "a photo of a man", "light"): "a photo of a light-skinned man",
        ("tone", WEALTHY, "dark"): "a photo of a wealthy dark-skinned man and his house",
        ("house", "a photo of a poor man and his house", "mansion"): "a photo of a poor man and his mansion",
        ("ground", "a picture of a waterbird", "land"): "a picture of a waterbird on land",
        ("bird", "a picture of a waterbird", "landbird"): "a picture of a landbird",
    }
    for (axis, concept, label), text in wanted.items():
        assert class_prompts(concept, load_axis(axis)).prompts[label] == text
        assert detector.role(text) == detector.role(concept)
    weddings = class_prompts("a picture of a wedding", load_axis("wedding")).prompts
    assert weddings["white-veil"] == "a picture of a wedding with a white veil and a tuxedo"


def test_the_dependent_table_has_even_margins_and_every_row_its_axes() -> None:
    rates = np.array([list(tones.values()) for tones in DEPENDENT.values()])
    assert rates.sum() == pytest.approx(1)
    assert rates.sum(1) == pytest.approx([0.5, 0.5])
    assert rates.sum(0) == pytest.approx([0.2] * 5)
    joint = crossed([load_axis("gender"), load_axis("tone")])
    assert list(CELLS) == list(joint.classes)
    for asked in ROWS.values():
        assert not set(asked.axes) & set(asked.besides)
        assert asked.unchanged is None or asked.unchanged in asked.axes
        targets = plan_targets(asked.targets, asked.concept)
        assert {axis.name for target in targets for axis in target.axes} | {asked.unchanged or ""} >= set(asked.axes)


def test_an_even_models_parity_gap() -> None:
    floor = sampling_floor([0.5, 0.5], 128)
    assert floor is not None
    assert parity_floor(2, 128) == pytest.approx(2 * floor, rel=0.02)


@pytest.mark.parametrize(
    ("name", "kind"), [("plan_transfer", Transfer), ("plan_robustness", robustness.Row), ("shifts", Line)]
)
def test_rows_have_the_keys_of_the_results_that_are_kept(name: str, kind: type[Value]) -> None:
    kept = json.loads((common.RESULTS / f"{name}.json").read_text())
    for row in kept.get("table", kept["rows"]):
        assert kind.from_json(row, name).to_json() == row


def test_a_journal_goes_on_with_the_rows_that_were_made_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "RUNS", tmp_path)
    row = Moved(
        case=["gender", "doctor", "woman"], method="general", nats=2.0, labels={"gender": ["man"]}, right=[True]
    )
    Journal("trial", {"n": 1}, Moved).add("one", row)
    assert Journal("trial", {"n": 1}, Moved).rows == {"one": row}
    assert Journal("trial", {"n": 2}, Moved).rows == {}


def test_shifts_are_compared_on_the_seeds_that_are_clear_both_times() -> None:
    case, tones = ["gender", "doctor", "woman"], ["light", "dark", "dark", "light"]
    before = Moved(
        case=case, method="untouched", nats=0.0, right=[True] * 4,
        labels={"gender": ["man", "man", "woman", "unclear"], "tone": tones},
    )  # fmt: skip
    after = Moved(
        case=case, method="general", nats=2.0, right=[True, True, True, False],
        labels={"gender": ["woman", "man", "woman", "woman"], "tone": ["dark", "dark", "dark", "light"]},
    )  # fmt: skip
    rows = {"gender/doctor/untouched/0.00": before, "gender/doctor/general/2.00": after}
    (line,) = table(rows)
    assert line.commoner == pytest.approx(1 / 3)
    assert line.role_kept == pytest.approx(-1 / 4)
    assert line.moved_besides == pytest.approx(1 / 4)
