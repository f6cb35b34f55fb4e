"""Plans from end to end on the mixture, whose shares have formulas, and the pieces between response and command."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran
from factories import origin
from hypothesis import given
from hypothesis import strategies as st

from equinoise import Direction, DirectionSet, EquinoiseError, EquinoiseWarning, Plan, load, load_axis
from equinoise.axes import UNCLEAR_INDEX
from equinoise.models import load_model
from equinoise.models.base import draw_noise
from equinoise.models.mixture import best_direction, shares
from equinoise.planning.basis import Basis
from equinoise.planning.early_stopping import EarlyStopping
from equinoise.planning.exploration import explore
from equinoise.planning.optimise import Problem, SearchSettings
from equinoise.planning.pilots import Pilot
from equinoise.planning.response import fit_joint_response
from equinoise.planning.solver import Choice
from equinoise.results.audits import Audit, ClassShare
from equinoise.results.plans import PlanResult, TargetVerdict
from equinoise.runtime.applying import apply_plan
from equinoise.seeds import PILOT, VERIFY
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import Counts
from equinoise.understanding.targets import parse_targets
from equinoise.workflows.planning import plan

DOCTOR = "a photo of a doctor"
GENDER, TONE = load_axis("gender"), load_axis("tone")
FAST = ("--steps", 10, "--batch-size", 64, "--workers", 1)
COMMAND = ("plan", "mixture", "--concept", DOCTOR, "--target", "gender=uniform")
SMALL = ("--budget", 224, "--verify", 128, "--pairs", 8, "--no-selection", *FAST)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@pytest.fixture
def made(cli: Callable[..., Ran], folder: Path) -> Path:
    out = folder / "plan.safetensors"
    if not out.exists():
        ran = cli(*COMMAND, *SMALL, "-o", out, "--json")
        assert ran.code == 0, ran.err
        (folder / "plan.json").write_text(ran.out)
    return out


def true_shares(plan: Plan, axis: str = "gender") -> dict[str, float]:
    """By formula, of the whole mixture."""
    found = dict.fromkeys(load_axis(axis).classes, 0.0)
    for part in plan.parts:
        shift = sum(
            (s.weight * s.direction.vector.astype(float) for s in part.intervention.shifts), np.zeros((3, 8, 8))
        )
        for name, share in shares(DOCTOR, axis, shift, unclear_below=0.6).items():
            found[name] += part.share * share
    return found


def test_a_plan_meets_its_target_by_formula_and_says_what_it_took(made: Path, folder: Path) -> None:
    result, plan = Ran(0, (folder / "plan.json").read_text(), "").json, Plan.load(made)
    assert {"interventions", "expected", "verified", "cost"} <= result.keys()
    assert sum(part["share"] for part in result["interventions"]) == pytest.approx(1)
    assert result["interventions"][0].keys() >= {"name", "share", "expected"}
    woman = result["expected"]["gender"]["woman"]
    assert woman["low"] <= woman["share"] <= woman["high"]
    assert woman["share"] == pytest.approx(0.5, abs=0.02)
    assert true_shares(plan)["woman"] == pytest.approx(0.5, abs=0.08)
    assert result["cost"]["kl_nats"] == result["cost"]["intrusion_nats"]
    assert 0.15 < result["cost"]["kl_nats"] < 0.8  # 0.77²/2 = 0.30 is the least that reaches an even split
    audit = result["verified"]["audits"][0]
    assert audit["n"] == 128
    assert audit["target"] == {"woman": 0.5, "man": 0.5}
    assert result["verdicts"][0]["verdict"] in ("on_target", "not_shown")
    cost = result["cost"]
    assert cost["images"] == 16 + cost["pilots"]["images"] + 128
    assert cost["denoiser_calls"] == 16 * 1 + 10 * (cost["pilots"]["images"] + 128)
    assert cost["directions"]["denoiser_calls"] / 10 + cost["pilots"]["images"] + 128 <= 224
    assert plan.provenance["verified"] == result["verified"]
    assert set(plan.seeds) == set(range(PILOT, PILOT + cost["pilots"]["images"]))


def test_a_plan_that_was_cut_off_goes_on_to_the_same_bytes(made: Path, folder: Path, cli: Callable[..., Ran]) -> None:
    whole = made.read_bytes()
    work = made.with_name("plan.safetensors.work")
    copy = folder / "again.safetensors"
    shutil.copytree(work, folder / "again.safetensors.work")
    shutil.rmtree(folder / "again.safetensors.work" / "verification")
    ran = cli(*COMMAND, *SMALL, "-o", copy, "--json")
    assert ran.code == 0, ran.err
    assert copy.read_bytes() == whole
    verified = (folder / "again.safetensors.work" / "verification" / "run.json").read_bytes()
    assert verified == (work / "verification" / "run.json").read_bytes()
    other = cli(*COMMAND, *SMALL, "--margin", 0.2, "-o", made)
    assert other.code == 2
    assert "holds work with another" in other.err


def test_generate_takes_the_plan(made: Path, folder: Path, cli: Callable[..., Ran]) -> None:
    ran = cli("generate", "mixture", "--concept", DOCTOR, "--plan", made, "-n", 8, "-o", folder / "g", "--json", *FAST)
    assert ran.code == 0, ran.err
    plan = Plan.load(made)
    assert [image["intervention"] for image in ran.json["images"]] == [
        plan.intervention(image["seed"]).name for image in ran.json["images"]
    ]


@pytest.mark.slow
def test_out_of_reach_is_said_and_the_nearest_is_planned(folder: Path, cli: Callable[..., Ran]) -> None:
    """With a direction at right angles to what moves the class nothing can be done."""
    aside = np.random.default_rng(0).standard_normal((3, 8, 8))
    best = best_direction(DOCTOR, "gender", "woman")
    aside -= (aside * best).sum() * best
    model = load_model("mixture")
    known = {"steps": 10, "guidance_scale": 1.0}
    DirectionSet((Direction.unit(aside, origin(model=model.provenance, sampling=known)),)).save(
        folder / "aside.safetensors"
    )
    asked = (*COMMAND, "--direction", folder / "aside.safetensors", "--budget", 96, "--verify", 48, *FAST, "--json")
    ran = cli(*asked, "--no-selection", "-o", folder / "aside-plan.safetensors")
    assert ran.code == 0, ran.err
    assert not ran.json["feasible"]
    assert "no mixture of what may be done meets the target; this is the nearest" in ran.err
    assert ran.json["expected_distance"]["gender"] > 0.05
    assert ran.json["cost"]["directions"] == {"images": 0, "denoiser_calls": 0}
    sampled = cli(*asked, "-o", folder / "sampled.safetensors")
    assert sampled.code == 0, sampled.err
    assert sampled.json["feasible"]  # what no shift can do, rejection sampling does
    assert any(part["accepted"] for part in sampled.json["interventions"])
    assert all(part["accepted"] == part["kept"] for part in sampled.json["interventions"])
    assert sampled.json["pilots"]["early_classifier"] is not None
    assert sampled.json["pilots"]["early_classifier"] == sampled.json["pilots"]["look"]


def test_a_dry_run_says_what_it_would_take(cli: Callable[..., Ran], tmp_path: Path) -> None:
    ran = cli(*COMMAND, *SMALL, "-o", tmp_path / "p", "--dry-run", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["images"] == 224
    assert ran.json["cost"]["verification"]["images"] == 128
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def result() -> PlanResult:
    """Made in memory, by the verb."""
    model = load("mixture", steps=10, batch_size=64)
    targets = {"gender": "uniform"}
    return plan(model, DOCTOR, targets=targets, budget=200, verify=96, margin=0.2, pairs=4, rejection=False)


def test_the_verb_gives_a_typed_result(result: PlanResult, tmp_path: Path) -> None:
    assert result.plan.concept == DOCTOR
    assert result.verified["gender"]["woman"].share is not None
    assert len(result.verified.run.records) == len(result.run.records) == 96
    assert result.file is None
    assert "verified (95%)" in str(result)
    assert list(result.to_frame()["class"]) == ["woman", "man"]
    assert result.to_frame()["expected"].sum() == pytest.approx(1)
    assert len(result.plot().data) > 0
    result.save(tmp_path / "plan.safetensors")
    assert Plan.load(tmp_path / "plan.safetensors").digest == result.plan.digest
    again = PlanResult.from_json(result.to_json(), "here")
    assert again.to_json() == result.to_json()
    with pytest.raises(EquinoiseError, match="names no file of a plan"):
        again.plan  # noqa: B018


def test_prompts_are_made_from_the_concept_and_said(result: PlanResult) -> None:
    assert result.prompts is not None
    assert result.prompts["gender"].origin == "concept"
    assert result.prompts["gender"].prompts == {
        "woman": "a photo of a woman doctor",
        "man": "a photo of a man doctor",
    }
    assert "a photo of a woman doctor" in str(result)
    (direction,) = result.plan.directions
    assert direction.origin.prompts == result.prompts["gender"].prompts


def test_a_plan_is_taken_as_a_result_a_value_or_a_file(result: PlanResult, tmp_path: Path) -> None:
    model, seeds = load("mixture", steps=10, batch_size=64), range(8)
    result.save(tmp_path / "plan.safetensors")
    taken = [apply_plan(p, model, [DOCTOR], seeds) for p in (result, result.plan, str(tmp_path / "plan.safetensors"))]
    assert len({applied.plan.digest for applied in taken if applied.plan}) == 1
    info = taken[0].info
    assert info is not None
    assert info.gate == info.prompt_filter
    untouched = apply_plan(None, model, [DOCTOR], seeds)
    assert untouched.info is None
    assert untouched.job("0", DOCTOR, 0).change is None
    with pytest.warns(EquinoiseWarning) as caught:
        apply_plan(result, load("mixture", steps=5, batch_size=64), [DOCTOR], seeds)
    said = "the plan was made at steps 10, and is used at 5: its shares may differ"
    assert said in [str(warning.message) for warning in caught]


def test_any_other_path_is_a_run_folder(cli: Callable[..., Ran], tmp_path: Path) -> None:
    small = ("--budget", 96, "--verify", 48, "--pairs", 4, "--no-rejection", *FAST)
    ran = cli(*COMMAND, *small, "-o", tmp_path / "run", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["plan"] == str(tmp_path / "run" / "plan.safetensors")
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"plan.safetensors", "traces", "pilots", "verification"}
    assert "gender: prompts made from the concept: woman = a photo of a woman doctor" in ran.err


def test_a_place_that_is_taken_is_refused(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").write_text("mine")
    places = {"folder.safetensors": "is a folder; name the file", "file": "is a file; name a folder"}
    for name, message in places.items():
        ran = cli(*COMMAND, *SMALL, "-o", tmp_path / name)
        assert ran.code == 2
        assert message in ran.err


def test_directions_are_collected_from_the_prompts_that_are_given(cli: Callable[..., Ran], tmp_path: Path) -> None:
    said = "a photo of a woman doctor"
    given = ("--prompt", f"woman={said}", "--prompt", "man=a photo of a man")
    ran = cli(*COMMAND, *SMALL, *given, "-o", tmp_path / "plan.safetensors", "--json")
    assert ran.code == 0, ran.err
    plan = Plan.load(tmp_path / "plan.safetensors")
    origins = [term.origin for part in plan.parts for s in part.intervention.shifts for term in s.direction.terms]
    assert origins
    for found in origins:
        assert found.step == 0
        assert found.prompts["woman"] == said
        assert found.prompts["man"] == "a photo of a man"
    assert ran.json["prompts"]["gender"]["origin"] == "given"


BAD = [
    (["--target", "gender=woman:2,man:-1"], "share in 0–1"),
    (["--target", "gender=uniform", "--budget", "0"], "--budget 0"),
    (["--target", "gender=uniform", "--budget", "64", "--verify", "64"], "leaves nothing"),
    (["--target", "gender=uniform", "--budget", "80", "--verify", "78", "--pairs", "32"], "nothing is left for pilots"),
    (["--target", "gender=uniform", "--verify", "0"], "--verify 0"),
    (["--target", "gender=uniform", "--margin", "0"], "--margin 0"),
    (["--target", "gender=uniform", "--round", "10"], "--round 10"),
    (["--target", "gender=uniform", "--pairs", "1"], "--pairs 1"),
    (["--target", "gender=uniform", "--step", "T"], "T cannot tell it"),
    (["--target", "gender=uniform", "--step", "77"], "step 77 does not exist"),
    (["--target", "gender=uniform", "--direction", "missing.safetensors"], "no such file"),
    (["--target", "gender=uniform", "--prompt", "nobody=a photo"], "names no class of the targets: woman, man"),
    (["--target", "gender=uniform", "--prompt", "woman= "], "is not CLASS=TEXT"),
    (["--target", "gender=uniform", "--prompt", "woman=a photo", "--direction", "x"], "with --direction none are"),
]


@pytest.mark.parametrize(("flags", "message"), BAD)
def test_what_makes_no_sense_is_refused_in_one_line(
    flags: list[str], message: str, cli: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("plan", "mixture", "--concept", DOCTOR, *flags, "-o", "p.safetensors", "--workers", 1)
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def audit_of(low: float, high: float, corrected: tuple[float, float] | None = None) -> Audit:
    """Two classes whose intervals mirror each other, to be split evenly."""

    def share(ends: tuple[float, float], true: tuple[float, float] | None) -> ClassShare:
        known = {"corrected": sum(true) / 2, "corrected_low": true[0], "corrected_high": true[1]} if true else {}
        return ClassShare(count=50, share=sum(ends) / 2, low=ends[0], high=ends[1], **known)

    def mirrored(ends: tuple[float, float]) -> tuple[float, float]:
        return 1 - ends[1], 1 - ends[0]

    (audit,) = Measures().audit([Counts(DOCTOR, "gender", {"woman": 50, "man": 50})]).audits
    man = share(mirrored((low, high)), corrected and mirrored(corrected))
    return audit.model_copy(update={"classes": {"woman": share((low, high), corrected), "man": man}})


def test_on_target_is_a_whole_interval_and_not_a_lucky_wide_one() -> None:
    assert TargetVerdict.judge(audit_of(0.42, 0.58), 0.1).verdict == "on_target"
    assert TargetVerdict.judge(audit_of(0.30, 0.70), 0.1).verdict == "not_shown"
    assert TargetVerdict.judge(audit_of(0.10, 0.39), 0.1).verdict == "off_target"
    assert TargetVerdict.judge(audit_of(0.42, 0.58, (0.3, 0.7)), 0.1).verdict == "not_shown"
    assert TargetVerdict.judge(audit_of(0.42, 0.58, (0.3, 0.7)), 0.1).corrected


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9).filter(any), st.integers(1, 300))
def test_pilots_are_assigned_as_near_to_the_mixture_as_whole_images_can_be(weights: list[int], n: int) -> None:
    mixture = np.array(weights) / sum(weights)
    assigned = Choice(mixture, (), 0.0, 0.0, 0.0).assign(n)
    counts = np.bincount(assigned, minlength=len(mixture))
    assert counts.sum() == n
    assert np.abs(counts - mixture * n).max() < 1


def test_a_table_of_two_axes_keeps_how_they_hang_together() -> None:
    rng, n = np.random.default_rng(0), 1200
    v = rng.standard_normal((n, 1))
    gender = (v[:, 0] + rng.standard_normal(n) > 0.5).astype(np.int64)
    tone = np.clip(np.round(2 + (gender - 0.5) * 2 + rng.standard_normal(n)), 0, 4).astype(np.int64)
    tone[:40] = UNCLEAR_INDEX
    joint = fit_joint_response([GENDER, TONE], v, {"gender": gender, "tone": tone}, np.zeros(n, np.int64), {})
    cells = joint.expected(np.zeros((1, 1)))[0].reshape(2, 5)
    seen = np.histogram2d(gender[40:], tone[40:], bins=(np.arange(3), np.arange(6)))[0] / (n - 40)
    assert cells.sum() == pytest.approx(1)
    assert np.abs(cells - seen).max() < 0.03
    assert cells[0, 0] > 3 * cells.sum(0)[0] * cells.sum(1)[0] / 2  # far from what independence would give
    assert joint.sampled(np.zeros((1, 1)), 3).shape == (3, 1, 10)


def test_two_targets_at_once_leave_neither_to_the_other() -> None:
    """Two entangled directions in a small world; both margins are met, and women are not darker than men."""
    rng = np.random.default_rng(3)
    places = np.linalg.qr(rng.standard_normal((36, 2)))[0].T
    towards = [-(0.9 * places[0] + 0.3 * places[1]), places[1] + 0.2 * places[0]]
    labels = [("woman", "man", "gender"), ("dark", "light", "tone")]
    basis = Basis.spanning(
        [
            Direction.unit((d + 0.05 * rng.standard_normal(36)).reshape(4, 3, 3), origin(a, 0, against=b, axis=name))
            for d, (a, b, name) in zip(towards, labels, strict=True)
        ]
    )
    edges = np.array([-0.7, 0.0, 0.7, 1.2])

    def generate(asked: Sequence[tuple[np.ndarray, int]], _: EarlyStopping | None = None) -> list[Pilot]:
        z = (
            draw_noise([seed for _, seed in asked], (36,)).double().numpy()
            + np.stack([w for w, _ in asked]) @ basis.matrix
        )
        gender, tone = (z @ places[0] > -0.9).astype(int), ((z @ places[1])[:, None] > edges).sum(1)
        return [
            Pilot({"gender": GENDER.classes[a], "tone": TONE.classes[b]}) for a, b in zip(gender, tone, strict=True)
        ]

    wanted = parse_targets(
        ["gender=uniform", "tone=light:0.2,medium-light:0.25,medium:0.25,medium-dark:0.15,dark:0.15"], DOCTOR
    )
    solution = explore(Problem(wanted, basis, SearchSettings(240)), generate, range(VERIFY, VERIFY + 240))
    assigned = solution.choice.assign(2000)
    found = generate([(solution.weights[j], seed) for j, seed in zip(assigned, range(2000), strict=True)])
    women = np.mean([seen.labels["gender"] == "woman" for seen in found])
    assert women == pytest.approx(0.5, abs=0.08)
    for name, share in wanted[1].shares.items():
        assert np.mean([seen.labels["tone"] == name for seen in found]) == pytest.approx(share, abs=0.09)
    assert len(solution.used()) <= 8


def test_too_few_pilots_are_refused() -> None:
    basis = Basis.spanning([Direction.unit(np.ones((4, 3, 3)), origin())])
    with pytest.raises(EquinoiseError, match="5 pilots are too few for 1 directions; allow 12 or more"):
        explore(Problem(parse_targets(["gender=uniform"], DOCTOR), basis, SearchSettings(5)), lambda *_: [], range(9))
