"""Early stopping of pilots: what counts as certain, what it saves, and that a plan cut off meanwhile ends the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran
from factories import origin

from equinoise.axes import load_axis
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.models import load_model
from equinoise.models.mixture import best_direction
from equinoise.planning.basis import Basis
from equinoise.planning.candidates import RunCalls
from equinoise.planning.early_stopping import CHECKED, SURE, EarlyStopping
from equinoise.planning.exploration import explore
from equinoise.planning.optimise import Problem, RejectionSettings, SearchSettings
from equinoise.planning.pilots import Pilot
from equinoise.run import RunFolder
from equinoise.seeds import PILOT
from equinoise.steering.early_classifier import Early
from equinoise.steering.plan import Plan
from equinoise.understanding.targets import parse_targets
from equinoise.workflows.pilots import PilotRun

GENDER = load_axis("gender")
DOCTOR = "a photo of a doctor"
PRECISION = 0.0165


def readings(final: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """(n, 2) probabilities of two classes: log odds ± strength, with noise of one."""
    odds = np.where(final == 1, 1.0, -1.0) * strength + rng.standard_normal(len(final))
    woman = 1 / (1 + np.exp(odds))
    return np.stack([woman, 1 - woman], axis=1)


def fitted(strength: float, seed: int = 0, n: int = 600) -> EarlyStopping | None:
    rng = np.random.default_rng(seed)
    final = (rng.random(n) < 0.7).astype(np.int64)
    return EarlyStopping.fitted(
        [GENDER], {"gender": final}, Early({7: {"gender": readings(final, strength, rng)}}, {}), PRECISION
    )


def test_what_is_certain_is_right_and_what_is_not_is_left_open() -> None:
    found = fitted(2.0)
    assert found is not None
    assert found.step == 7
    rng = np.random.default_rng(1)
    final = (rng.random(4000) < 0.7).astype(np.int64)
    read = readings(final, 2.0, rng)
    certain = [found.certain({"gender": {"woman": float(a), "man": float(b)}}) for a, b in read]
    right = [GENDER.classes[k] == one["gender"] for k, one in zip(final, certain, strict=True) if one is not None]
    assert 0.3 < len(right) / len(certain) < 0.98
    assert np.mean(right) >= SURE - 0.01


@pytest.mark.parametrize("strength", [0.0, 0.2])
def test_a_detector_that_reads_little_is_certain_of_nothing(strength: float) -> None:
    assert fitted(strength) is None


def test_without_a_predicted_image_or_a_second_class_nothing_is_certain() -> None:
    rng, final = np.random.default_rng(0), np.zeros(100, np.int64)
    read = Early({7: {"gender": readings(final, 3, rng)}}, {})
    assert EarlyStopping.fitted([GENDER], {"gender": final}, Early({}, {}), PRECISION) is None
    assert EarlyStopping.fitted([GENDER], {"gender": final}, read, PRECISION) is None


def test_a_class_that_is_rare_or_unclear_counts_against_certainty() -> None:
    """Readings that are as sure of what ends unclear as of the rest."""
    rng = np.random.default_rng(0)
    final = (rng.random(200) < 0.5).astype(np.int64)
    read = readings(final, 6.0, rng)
    assert EarlyStopping.fitted([GENDER], {"gender": final}, Early({7: {"gender": read}}, {}), PRECISION) is not None
    unclear = np.where(np.arange(200) % 20 == 0, -1, final)
    assert EarlyStopping.fitted([GENDER], {"gender": unclear}, Early({7: {"gender": read}}, {}), PRECISION) is None


def test_all_axes_must_be_certain_and_something_seen() -> None:
    rng = np.random.default_rng(0)
    final = {"gender": (rng.random(600) < 0.5).astype(np.int64), "house": (rng.random(600) < 0.5).astype(np.int64)}
    house = replace(GENDER, name="house")
    read = {name: readings(labels, 6.0, rng) for name, labels in final.items()}
    found = EarlyStopping.fitted([GENDER, house], final, Early({7: read}, {}), PRECISION)
    assert found is not None
    sure, open_, nothing = ({"woman": p, "man": q} for p, q in ((1e-6, 1 - 1e-6), (0.45, 0.55), (0.0, 0.0)))
    assert found.certain({"gender": sure, "house": sure}) == {"gender": "man", "house": "man"}
    assert found.certain({"gender": sure, "house": open_}) is None
    assert found.certain({"gender": nothing, "house": sure}) is None


def test_pilots_that_end_early_leave_the_budget_to_more_of_them() -> None:
    """A class on a line that is read off early without error: shares as planned, for fewer calls an image."""
    basis = Basis.spanning([Direction.unit(np.eye(48)[0].reshape(3, 4, 4), origin())])
    rejection = RejectionSettings(RunCalls(25, True), "known")

    def generate(asked: list[tuple[np.ndarray, int]], early_stopping: EarlyStopping | None) -> list[Pilot]:
        found = []
        for (shift,), seed in asked:
            rng = np.random.default_rng(seed)
            position = float(basis.positions([seed])[0, 0] + shift)
            woman = 0.8 * position + 0.6 * rng.standard_normal() > 1.0
            early = 0.9 if rng.random() < 0.2 else 0.999
            read = {"woman": early, "man": 1 - early} if woman else {"woman": 1 - early, "man": early}
            label = {"gender": "woman" if woman else "man"}
            certain = early_stopping.certain({"gender": read}) if early_stopping else None
            unbiased = early_stopping is None or EarlyStopping.exempts(seed)
            spent = 0.3 if certain and not unbiased else 1.0
            found.append(Pilot(label, None, {7: {"gender": read}}, {}, certain, unbiased, spent))
        return found

    targets, settings = parse_targets(["gender=uniform"], DOCTOR), SearchSettings(600, 0.01, rejection=rejection)
    seeds = range(PILOT, PILOT + 1800)
    solution = explore(Problem(targets, basis, settings), generate, seeds)
    pilots, stopped = solution.pilots, solution.pilots.stopped_early
    assert pilots.spent.sum() < min(600, 0.9 * len(pilots))
    assert stopped.images == (pilots.spent < 1).sum() > 50
    assert stopped.checked > 0 == stopped.wrong
    assert {seed % CHECKED for seed, spent in zip(seeds, pilots.spent, strict=False) if spent < 1} == {1, 2, 3}
    expected = solution.expectation.expected(targets[0], solution.candidates)
    assert solution.choice.mixture @ expected == pytest.approx([0.5, 0.5], abs=0.02)


def test_one_in_four_goes_on() -> None:
    assert sum(map(EarlyStopping.exempts, range(1000))) == 1000 / CHECKED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stopping")


def command(folder: Path, name: str) -> tuple[object, ...]:
    """A plan on the mixture whose direction moves half of what tells gender."""
    file = folder / "half.safetensors"
    if not file.exists():
        aside, best = np.random.default_rng(0).standard_normal((3, 8, 8)), best_direction(DOCTOR, "gender", "woman")
        about = origin(model=load_model("mixture").provenance, sampling={"steps": 10, "guidance_scale": 1.0})
        DirectionSet((Direction.unit(aside / np.linalg.norm(aside) + best, about),)).save(file)
    return (
        *("plan", "mixture", "--concept", DOCTOR, "--target", "gender=uniform", "--direction", file),
        *("--budget", 700, "--verify", 64, "--margin", 0.05, "--steps", 10, "--batch-size", 16, "--workers", 1),
        *("-o", folder / f"{name}.safetensors", "--json"),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("owner", "method"), [(PilotRun, "_keep"), (RunFolder, "add")])
def test_a_plan_says_what_its_pilots_took_and_resumes_where_it_was_cut_off(
    owner: type, method: str, folder: Path, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off where runs are begun, and where those that go on are made."""
    ran = cli(*command(folder, "whole"))
    assert ran.code == 0, ran.err
    pilots, stopped = ran.json["cost"]["pilots"], ran.json["pilots"]["stopped_early"]
    whole = pilots["images"]
    assert ran.json["pilots"]["ended_early"] == stopped  # the key of version 0.1
    assert stopped["images"] == pilots["stopped_early"] == pilots["ended_early"] > 0
    assert pilots["denoiser_calls"] == 10 * whole + 4 * stopped["images"]  # the last early check is after step 3
    assert 636 - 8 < pilots["denoiser_calls"] / 10 <= 636 < whole + stopped["images"]
    assert len(Plan.load(folder / "whole.safetensors").seeds) == whole + stopped["images"]

    keep, left = getattr(owner, method), [whole - 30]

    def cut(self: object, *given: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise EquinoiseError("cut off")
        keep(self, *given)

    monkeypatch.setattr(owner, method, cut)
    assert cli(*command(folder, method)).code == 2
    monkeypatch.undo()
    ran = cli(*command(folder, method))
    assert ran.code == 0, ran.err
    made, whole_file = (folder / f"{name}.safetensors" for name in (method, "whole"))
    assert made.read_bytes() == whole_file.read_bytes()
    for name in ("run.json", "images/metadata.jsonl"):
        files = [(folder / f"{plan}.safetensors.work" / "pilots" / name).read_bytes() for plan in ("whole", method)]
        assert files[0] == files[1]


@pytest.mark.slow
def test_early_files_of_another_shift_are_refused(folder: Path, cli: Callable[..., Ran]) -> None:
    work = folder / "other.safetensors.work"
    assert cli(*command(folder, "whole")).code == 0  # made by a test before, or now
    shutil.copytree(folder / "whole.safetensors.work", work)
    for file in (work / "pilots" / "early").iterdir():
        arrays, about = read_arrays(file)
        write_arrays(file, arrays, {**about, "intervention": "woman@0=9"})
    ran = cli(*command(folder, "other"))
    assert ran.code == 2
    assert "pilots of another version" in ran.err


@pytest.mark.slow
def test_a_plan_says_when_what_was_certain_ended_otherwise(
    folder: Path, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, other = EarlyStopping.certain, {"woman": "man", "man": "woman"}

    def wrong(self: EarlyStopping, read: Mapping[str, Mapping[str, float]]) -> dict[str, str] | None:
        certain = honest(self, read)
        return certain and {axis: other[name] for axis, name in certain.items()}

    assert not any("ended otherwise" in said for said in cli(*command(folder, "whole")).json["warnings"])
    monkeypatch.setattr(EarlyStopping, "certain", wrong)
    ran = cli(*command(folder, "wrong"))
    stopped = ran.json["pilots"]["stopped_early"]
    assert 0 < stopped["checked"] == stopped["wrong"]
    assert f"{stopped['wrong']} ended otherwise; plan with --no-rejection" in "".join(ran.json["warnings"])
