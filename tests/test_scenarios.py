"""The paper's scenarios as data, and the text edit that goes with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.scenarios.table import AXES, SCENARIOS, Judged, as_markdown, axes_of
from benchmarks.scenarios.text_edit import hidden, without
from equinoise import Intervention, load, load_axis
from equinoise.models.pipeline import require_pipeline
from equinoise.run import RunFolder


def test_every_scenario_names_axes_and_classes_that_exist() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 9
    for scenario in SCENARIOS:
        assert set(scenario.wanted) <= set(load_axis(scenario.axis).classes)
        for axis, label in scenario.towards.items():
            assert label in (AXES[axis] or load_axis(axis).classes)
        assert scenario.axis == axes_of(scenario)[0].name


def test_a_direction_projected_out_of_a_text_is_gone(tmp_path: Path) -> None:
    model = load("emoji", steps=2, batch_size=2, device="cpu")
    ends = ["a picture of a bird on water", "a picture of a bird on land"]
    run = RunFolder(tmp_path / "edited", {})
    records = without(model, "a picture of a bird", ends, Intervention(), [5, 6, 7], [load_axis("ground")], run)
    assert [record.seed for record in records] == [5, 6, 7]
    for record in records:
        assert sum(record.detections["ground"].values()) == pytest.approx(1, abs=1e-5)
    states = hidden(require_pipeline(model.backend).pipeline, ["", *ends])
    assert states.shape[0] == 3
    assert not torch.allclose(states[1], states[2])
    # padding after the end of the text is told too, and is the same length for every text
    assert np.isfinite(states.numpy()).all()


def test_the_table_of_the_readme_has_a_line_a_scenario_and_says_where_no_pilot_was_better() -> None:
    row = Judged(
        scenario="teacher", wanted="man", shift="untouched", n=120, share=0.05, low=0.02, high=0.1, change_low=0.0,
        change_high=0.0, right=1.0, off_target="dark +0.28", nats=0.0,
    )  # fmt: skip
    rows = [row, row.model_copy(update={"shift": "paper: man@5=10", "share": 0.94})]
    *_, line = as_markdown(rows).splitlines()
    assert line == "| a teacher: men | 5% (2–10) | 94% (2–10), n = 120 | 100%; dark +28 points | none |  |"
    *_, line = as_markdown([*rows, row.model_copy(update={"shift": "best: man@5=2", "share": 0.5})]).splitlines()
    assert line.endswith("| 50% (2–10), man@5=2 | 100%; dark +28 points |")
