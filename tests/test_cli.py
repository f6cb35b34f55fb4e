"""The command line holds its contract: names, JSON, one-line errors, nothing lost and nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from equinoise import DirectionSet, Intervention, Part, Plan, Shift
from equinoise.cli.app import app
from equinoise.engine import JobResult
from equinoise.workflows.collecting import TraceFolder

CONCEPT = "a photo of a doctor"
FAST = ("--steps", "6", "--workers", "2", "--batch-size", "4")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chain")


@pytest.fixture
def traces(cli: Callable, folder: Path) -> Path:
    out = folder / "traces"
    if not out.exists():
        ran = cli("collect", "emoji", "--axis", "gender", "-n", 6, "--capture", "T,0,3", "-o", out, "--json", *FAST)
        assert ran.code == 0, ran.err
        assert ran.json["images"] == 12
        assert ran.json["denoiser_calls"] == 12 * 4
        assert ran.json["captured"] == ["T", 0, 3]
    return out


@pytest.fixture
def directions(cli: Callable, traces: Path, folder: Path) -> Path:
    out = folder / "gender.safetensors"
    if not out.exists():
        ran = cli("fit", traces, "-o", out, "--estimator", "paired", "--permutations", 9, "--json")
        assert ran.code == 0, ran.err
        assert {"axis", "class", "step", "estimator", "accuracy", "low", "high", "p"} <= ran.json["directions"][
            0
        ].keys()
        assert [(d["class"], d["step"]) for d in ran.json["directions"]] == [
            ("woman", 0),
            ("man", 0),
            ("woman", 3),
            ("man", 3),
        ]
        assert ran.json["skipped"][0]["step"] == "T"
        assert "no direction at step T" in ran.err
    return out


def test_audit_prints_the_audit_object_and_keeps_nothing(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli(
        "audit",
        "emoji",
        "--concept",
        CONCEPT,
        "--concept",
        "a photo of a judge",
        "--axis",
        "gender",
        "--axis",
        "tone",
        "--target",
        "gender=woman:0.4,man:0.6",
        "-n",
        3,
        "--json",
        *FAST,
    )
    assert ran.code == 0, ran.err
    audits = ran.json["audits"]
    assert [(a["concept"], a["axis"], a["n"]) for a in audits] == [
        (CONCEPT, "gender", 3),
        (CONCEPT, "tone", 3),
        ("a photo of a judge", "gender", 3),
        ("a photo of a judge", "tone", 3),
    ]
    assert audits[0]["target"] == {"woman": 0.4, "man": 0.6}
    assert 0 <= audits[0]["concept_fidelity"] <= 1
    assert [p["prompts"] for p in ran.json["pooled"]] == [2, 2]
    assert not list(tmp_path.iterdir())


def _nothing_to_do(engine: object, request: object, jobs: list[object]) -> Iterator[object]:
    assert not jobs, "computed again"
    return iter(())


def test_a_kept_audit_resumes_and_ends_the_same(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def audit(out: Path, *more: object) -> object:
        ran = cli(
            "audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "-n", 6, "-o", out, "--json", *FAST, *more
        )
        assert ran.code == 0, ran.err
        return ran.json

    first = audit(tmp_path / "whole")
    broken = tmp_path / "broken"
    shutil.copytree(tmp_path / "whole", broken)
    # as it would stand had the run been cut off after two images
    kept = (broken / "images" / "metadata.jsonl").read_text().splitlines(keepends=True)[:2]
    (broken / "journal.jsonl").write_text("".join(kept) + '{"file_na')
    whole = json.loads((broken / "run.json").read_text())
    (broken / "run.partial.json").write_text(json.dumps({key: whole[key] for key in ("about", "environment")}))
    (broken / "run.json").unlink()
    (broken / "images" / "metadata.jsonl").unlink()
    for image in sorted((broken / "images").glob("*.png"))[3:]:
        image.unlink()
    assert audit(broken) == first
    ours, theirs = (
        {p.relative_to(d): p.read_bytes() for p in d.rglob("*") if p.is_file()} for d in (tmp_path / "whole", broken)
    )
    assert ours == theirs
    monkeypatch.setattr(
        "equinoise.engine.local.Engine.run", lambda *_: pytest.fail("computed again") if _[2] else iter(())
    )
    assert audit(tmp_path / "whole") == first
    monkeypatch.undo()
    ran = cli("audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "-n", 7, "-o", broken, *FAST)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "another n" in ran.err


def test_collect_resumes_and_refuses_another(cli: Callable, traces: Path, tmp_path: Path) -> None:
    again = cli("collect", "emoji", "--axis", "gender", "-n", 6, "--capture", "T,0,3", "-o", traces, "--json", *FAST)
    assert again.code == 0
    assert again.json["images"] == 12
    other = cli("collect", "emoji", "--axis", "gender", "-n", 5, "--capture", "T,0,3", "-o", traces, *FAST)
    assert other.code == 2
    assert "another n" in other.err
    assert sorted(p.name for p in traces.iterdir()) == ["run.json", "traces.safetensors"]


def test_a_collection_that_was_cut_off_goes_on(
    cli: Callable, traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of its parts are there; the rest is computed, and the result is that of one go."""
    arguments = ("collect", "emoji", "--axis", "gender", "-n", 6, "--capture", "T,0,3", "--json", *FAST)
    calls, keep = 0, TraceFolder.keep

    def dying(folder: TraceFolder, result: JobResult) -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise KeyboardInterrupt
        keep(folder, result)

    with monkeypatch.context() as patch:
        patch.setattr(TraceFolder, "keep", dying)
        stopped = cli(*arguments, "-o", tmp_path / "t")
    assert stopped.code == 130
    assert "stopped" in stopped.err
    assert len(list((tmp_path / "t" / "parts").iterdir())) == 5
    other = cli(*arguments[:-8], "-n", 6, "--capture", "T,0,2", *FAST, "-o", tmp_path / "t")
    assert other.code == 2
    assert cli(*arguments, "-o", tmp_path / "t").code == 0
    for name in ("traces.safetensors", "run.json"):
        assert (tmp_path / "t" / name).read_bytes() == (traces / name).read_bytes()


def test_what_is_wrong_with_a_model_is_one_line(cli: Callable, tiny: Path, tmp_path: Path) -> None:
    def audit(folder: Path, *more: object) -> str:
        ran = cli("audit", folder, "--concept", "a cat", "--axis", "gender", "-n", 1, *more)
        assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
        return str(ran.err)

    empty, cut = tmp_path / "empty", tmp_path / "cut"
    empty.mkdir()
    (empty / "model_index.json").write_text("{}")
    assert "cannot load model" in audit(empty)
    shutil.copytree(tiny, cut)
    weights = next((cut / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cannot load model" in audit(cut)
    assert "1000 denoising steps" in audit(tiny, "--steps", 2000)
    assert "no scheduler" in audit(tiny, "--scheduler", "UNet2DConditionModel")
    assert "no device" in audit(tiny, "--device", "cpu:foo")
    out = tmp_path / "left"
    assert "cannot load detector" in audit(tiny, "--detector", empty, "-o", out, "--steps", 2, "--workers", 1)
    assert not out.exists()


def test_sweep(cli: Callable, directions: Path, tmp_path: Path) -> None:
    ran = cli(
        "sweep",
        "emoji",
        "--concept",
        CONCEPT,
        "--direction",
        f"{directions}:woman",
        "--steps-from",
        "T,0,3",
        "--weights",
        "2,4",
        "-n",
        3,
        "-o",
        tmp_path / "s",
        "--json",
        *FAST,
    )
    assert ran.code == 0, ran.err
    assert [(c["step"], c["weight"]) for c in ran.json["cells"]] == [(0, 2), (0, 4), (3, 2), (3, 4)]
    assert {"step", "weight", "share", "low", "high", "concept_fidelity", "intrusion_nats"} <= ran.json["cells"][
        0
    ].keys()
    assert ran.json["cells"][1]["intrusion_nats"] == pytest.approx(8, abs=1e-4)
    assert ran.json["best"] is None or ran.json["best"] in ran.json["cells"]
    assert "step T is left out" in ran.err
    rows = [json.loads(line) for line in (tmp_path / "s" / "images" / "metadata.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows][:4] == [f"untouched-0.0-{3_000_000 + i}" for i in range(3)] + ["0-2.0-3000000"]
    assert cli("report", tmp_path / "s", "-o", tmp_path / "s.html", "--json").json == {
        "report": str(tmp_path / "s.html")
    }


def test_generate_shifts_the_noise_and_weight_zero_does_not(cli: Callable, directions: Path, tmp_path: Path) -> None:
    def generate(name: str, *shifts: str) -> list[bytes]:
        flags = [flag for shift in shifts for flag in ("--direction", shift)]
        made = ("-n", 2, "-o", tmp_path / name, "--json", *FAST, "--batch-size", 2)
        ran = cli("generate", "emoji", "--concept", CONCEPT, *flags, *made)
        assert ran.code == 0, ran.err
        assert [image["seed"] for image in ran.json["images"]] == [5_000_000, 5_000_001]
        return [Path(image["file"]).read_bytes() for image in ran.json["images"]]

    plain = generate("plain")
    assert generate("zero", f"{directions}:woman@3=0") == plain
    assert generate("back", f"{directions}:woman@3=2", f"{directions}:man@3=2") == plain
    assert generate("shift", f"{directions}:woman@3=4") != plain
    assert generate("cut", f"{directions}:woman@3=1,truncate") != plain


def test_settings_and_seeds_that_differ_are_warned_of(cli: Callable, directions: Path, tmp_path: Path) -> None:
    ran = cli(
        "generate",
        "emoji",
        "--concept",
        CONCEPT,
        "--direction",
        f"{directions}:woman@3=4",
        "-n",
        2,
        "--seed",
        1_000_003,
        "-o",
        tmp_path / "g",
        "--steps",
        4,
        "--guidance-scale",
        3,
        "--workers",
        1,
        "--batch-size",
        2,
    )
    assert ran.code == 0, ran.err
    assert "found at steps 6, and is used at 4" in ran.err
    assert "guidance_scale" in ran.err
    assert "2 seeds (from 1000003) were also used" in ran.err


def test_dry_runs_do_nothing(cli: Callable, tmp_path: Path) -> None:
    ran = cli(
        "collect",
        "emoji",
        "--axis",
        "tone",
        "-n",
        10,
        "--capture",
        "0,3",
        "-o",
        tmp_path / "t",
        "--dry-run",
        "--json",
        *FAST,
    )
    assert ran.code == 0, ran.err
    assert ran.json["images"] == 50
    assert ran.json["denoiser_calls"] == 50 * 4
    assert ran.json["estimated_seconds"] > 0
    assert not list(tmp_path.iterdir())


def test_detected_labels_give_a_direction_of_the_noise(cli: Callable, tmp_path: Path) -> None:
    ran = cli(
        "collect",
        "emoji",
        "--axis",
        "gender",
        "--labels",
        "detected",
        "--concept",
        "a photo of a person",
        "-n",
        12,
        "--capture",
        "T",
        "-o",
        tmp_path / "t",
        "--json",
        *FAST,
    )
    assert ran.code == 0, ran.err
    assert ran.json["captured"] == ["T"]
    fit = cli(
        "fit", tmp_path / "t", "-o", tmp_path / "d.safetensors", "--estimator", "mean", "--permutations", 3, "--json"
    )
    assert fit.code == 0, fit.err
    assert {d["step"] for d in fit.json["directions"]} == {"T"}


BAD = [
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gendr"], "no axis 'gendr'"),
    (["audit", "emoji", "--concept", "  ", "--axis", "gender"], "concept is empty"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "-n", "0"], "-n 0"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "-n", "many"], "valid integer"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "-n", "99999999999"], "more than"),
    (["demo", "-o", "x", "--pairs", "0"], "--pairs 0"),
    (["demo", "-o", "x", "--pilots", "0"], "--pilots 0"),
    (["audit", "emoji", "--concept", CONCEPT], "--axis"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--target", "gender=half"], "no class 'half'"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--target", "tone=uniform"], "one of the axes"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--guidance-scale", "nan"], "guidance-scale"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--steps", "0"], "--steps 0"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--batch-size", "0"], "--batch-size 0"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--workers", "0"], "--workers 0"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--seed", "-5"], "--seed -5"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--device", "tpu"], "no device 'tpu'"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "--detector", "/nowhere"], "cannot load detector"),
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "gender", "-o", "/dev/null"], "not a folder"),
    # this is noticed when the first image is kept
    (["audit", "emoji", "--concept", CONCEPT, "--axis", "age", "-n", "1", "-o", "/proc/nope", *FAST], "cannot write"),
    (["audit", "/nowhere/model", "--concept", CONCEPT, "--axis", "gender"], "cannot load model"),
    (["collect", "emoji", "--axis", "gender", "--capture", "0,50", "-o", "x"], "step 50 does not exist"),
    (["collect", "emoji", "--axis", "gender", "--prompt", "women=a", "-o", "x"], "no class 'women'"),
    (["collect", "emoji", "--axis", "gender", "--prompt", "woman=", "-o", "x"], "CLASS=TEXT"),
    (["collect", "emoji", "--axis", "gender", "--classes", "woman", "-o", "x"], "two different classes"),
    (["collect", "emoji", "--axis", "gender", "--labels", "detected", "-o", "x"], "needs the neutral prompt"),
    (["collect", "emoji", "--axis", "gender", "--labels", "guessed", "-o", "x"], "prompted or detected"),
    (["fit", "/nowhere", "-o", "x"], "no such file"),
    (["sweep", "emoji", "--concept", CONCEPT, "--direction", "x"], "FILE:CLASS"),
    (["sweep", "emoji", "--concept", CONCEPT, "--direction", "/nowhere:woman"], "no such file"),
    (["generate", "emoji", "--concept", CONCEPT, "--direction", "x:woman@10", "-o", "x"], "FILE:CLASS@STEP=WEIGHT"),
    (["generate", "emoji", "--concept", CONCEPT, "--direction", "x:woman@10=nan", "-o", "x"], "FILE:CLASS@STEP=WEIGHT"),
    (["report", "/nowhere", "-o", "x.html"], "/nowhere"),
    (["adit"], "adit"),
    (["audit", "emoji", "--nonsense"], "--nonsense"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(a)[-40:] for a, _ in BAD])
def test_bad_input_is_one_line_and_a_2(
    cli: Callable, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = cli(*arguments, "--json") if arguments[0] != "adit" else cli(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert ran.err.startswith("equinoise: error: ")
    assert not list(tmp_path.iterdir())


def test_bad_directions(cli: Callable, directions: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(directions.read_bytes()[:-50])
    for arguments, message in [
        (("sweep", "emoji", "--direction", f"{cut}:woman"), "damaged"),
        (("sweep", "emoji", "--direction", f"{directions}:child"), "no direction towards 'child'"),
        (("sweep", "emoji", "--direction", f"{directions}:woman", "--steps-from", "T"), "no direction at step T"),
        (("sweep", "emoji", "--direction", f"{directions}:woman", "--weights", "1,inf"), "finite"),
        (("sweep", "emoji", "--direction", f"{directions}:woman", "--weights", "1,x"), "not numbers"),
        (("sweep", "emoji", "--direction", f"{directions}:woman", "--how", "push"), "--how push"),
    ]:
        ran = cli(*arguments, "--concept", CONCEPT)
        assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
        assert message in ran.err


def test_a_direction_of_another_model_is_refused(cli: Callable, directions: Path, tiny: Path, tmp_path: Path) -> None:
    ran = cli("generate", tiny, "--concept", "a cat", "--direction", f"{directions}:woman@3=1", "-o", tmp_path / "x")
    assert ran.code == 2
    assert "has shape (8, 16, 16)" in ran.err
    assert not list(tmp_path.iterdir())


def test_orthogonal_fit(cli: Callable, traces: Path, directions: Path, tmp_path: Path) -> None:
    ran = cli(
        "fit",
        traces,
        "-o",
        tmp_path / "o",
        "--orthogonal-to",
        f"{directions}:woman",
        "--permutations",
        1,
        "--estimator",
        "paired",
    )
    assert ran.code == 2
    assert "lies wholly" in ran.err
    ran = cli("fit", traces, traces, "-o", tmp_path / "o", "--permutations", 1)
    assert (ran.code, "a second time" in ran.err) == (2, True)


def test_help_names_every_command(cli: Callable) -> None:
    ran = cli()
    assert ran.code == 2
    for name in {*OPTIONS, "disagreements"} - {"misalign"}:  # its name until version 0.2, hidden
        assert f"\n  {name}  " in ran.out


OF_A_MODEL = (
    "--adapter --batch-size --concept --device --dry-run --dtype --guidance-scale --json --offload -o --out --revision "
    "--scheduler --size --steps --variant --workers"
)
OPTIONS = {
    "audit": (
        f"{OF_A_MODEL} -n --axis --classes --confusion --cross --detector "
        "--plan --reference --seed --target --unclear-below --until-width"
    ),
    "calibrate-detector": "-o --axis --detector --device --json --out --unclear-below --wrong-cost",
    "check": "--json --junit --max-spd --max-tv --strict",
    "collect": f"{OF_A_MODEL} -n --axis --capture --classes --detector --labels --prompt --seed --unclear-below",
    "demo": "-n -o --batch-size --json --out --pairs --pilots --workers",
    "detect": "--detector --device --encoder --json --merge --objects --phrases --similar --table --threshold",
    "export-direction": "-o --json --out",
    "figures": "-o --formats --json --out",
    "fit": "-o --estimator --json --orthogonal-to --out --permutations",
    "generate": f"{OF_A_MODEL} -n --direction --plan --seed",
    "import-direction": "-o --against --axis --class --json --model --out --step",
    "interactions": "--json --object",
    "misalign": "--alpha --encoder --json --space",
    "plan": (
        f"{OF_A_MODEL} --budget --confusion --detector --direction --margin --no-selection --pairs "
        "--prompt --round --selection --step --target --unclear-below --verify"
    ),
    "quality": "--against --axis --before --device --encoder --json",
    "relate": f"{OF_A_MODEL} -n --attributes --axis --detector --encoder --pooling --reference --seed",
    "report": "-o --json --out",
    "sweep": (
        f"{OF_A_MODEL} -n --axis --detector --direction --how --seed --steps-from --target --unclear-below --weights"
    ),
    "understand": (
        f"{OF_A_MODEL} -n --attributes --axis --cross --detector "
        "--each --encoder --objects --phrases --seed --threshold"
    ),
}
"""Command → its options, as they have been since version 0.1; more are welcome."""


def test_every_command_and_option_stays() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) >= {*OPTIONS, "compare", "disagreements"}
    for name, options in OPTIONS.items():
        here = {text for one in commands[name].params for text in (*one.opts, *one.secondary_opts)}
        assert set(options.split()) <= here, name
    for name in ("sensitivity", "policy", "studio", "serve"):  # of later versions: absent, not stubs
        assert name not in commands


COUNTED = {"count", "share", "low", "high", "corrected", "corrected_low", "corrected_high"}
AUDITED = {
    "concept", "axis", "n", "unclear", "target", "spd", "spd_low", "spd_high", "tv", "tv_low", "tv_high", "kl_bits",
    "entropy_bits", "mean_pairwise_gap", "heim_imbalance", "floor", "gap_squared_unbiased", "concept_fidelity",
    "classes.woman",
}  # fmt: skip
CELL = {
    "step", "weight", "n", "unclear", "share", "low", "high", "tv", "concept_fidelity", "intrusion_nats",
    "classes.woman",
}  # fmt: skip
KEYS = {
    "audit": {
        "": {"audits", "pooled", "sequential", "detector", "corrected_by.gender"},
        "audits": {*AUDITED, "amplification.woman", "bias_amplification"},
        "audits.classes.woman": COUNTED,
        "pooled": {"axis", "prompts", "n", "classes.woman", "bias_amplification", "bias_amplification_low"}
        | {"bias_amplification_high", "bias_amplification_prompts"},
        "pooled.classes.woman": {"share", "low", "high"},
        "sequential": {"concept", "until_width", "looks", "n", "reached"},
        "detector": {"name", "weights", "unclear_below", "thresholds"},
    },
    "collect": {"": {"images", "denoiser_calls", "captured", "labelled"}},
    "fit": {
        "": {"directions", "skipped"},
        "directions": {"axis", "class", "against", "step", "estimator", "accuracy", "low", "high", "p"},
        "skipped": {"axis", "step", "reason"},
    },
    "sweep": {
        "": {"axis", "class", "target", "untouched", "cells", "best", "concept", "n", "skipped"},
        "cells": CELL,
        "untouched": CELL,
        "cells.classes.woman": COUNTED,
        "skipped": {"step", "reason"},
    },
    "generate": {"": {"images", "intrusion_nats"}, "images": {"file", "seed", "intervention", "draws"}},
    "generate --plan": {
        "": {"images", "intrusion_nats", "plan", "drawn"},
        "plan": {"name", "digest", "gate"},
        "drawn": {"images", "denoiser_calls", "extra_calls_per_image", "selected", "draws", "kept_without_a_match"},
    },
    "check": {
        "": {"verdicts", "passed", "strict"},
        "verdicts": {"concept", "axis", "measure", "value", "limit", "basis", "verdict", "sentence", "low", "high"},
    },
    "--dry-run": {"": {"dry_run", "images", "denoiser_calls", "estimated_seconds", "workers"}},
}
"""Command → place in its JSON → keys that have been there since version 0.1; more are welcome."""


def keys(value: object, place: str) -> set[str]:
    """The keys at a place of a JSON object, of the first entry of each list; a key of a key has a dot."""
    for name in filter(None, place.split(".")):
        value = value[name]  # type: ignore[index]
        value = value[0] if isinstance(value, list) else value
    assert isinstance(value, dict)
    return {*value, *(f"{key}.{name}" for key, part in value.items() if isinstance(part, dict) for name in part)}


def test_json_keeps_its_keys(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("confusion.csv").write_text("true,predicted,count\nwoman,woman,9\nwoman,man,1\nman,man,9\nman,woman,1\n")
    Path("published.csv").write_text(
        f"concept,axis,class,share\n{CONCEPT},gender,woman,0.3\n{CONCEPT},gender,man,0.7\n"
    )
    model = ("mixture", "--steps", 6, "--workers", 1)
    audit = ("audit", *model, "--concept", CONCEPT, "--axis", "gender")
    known = ("--confusion", "confusion.csv", "--reference", "published.csv")
    collect = ("collect", *model, "--axis", "gender", "-n", 6, "--capture", "T,2", "-o", "traces")
    sweep = ("--direction", "d:woman", "--steps-from", "T,2", "--weights", "2", "-n", 4)
    generate = ("generate", *model, "--concept", CONCEPT, "-n", 2)
    for name, command in {
        "audit": (*audit, "--until-width", 0.5, "-n", 32, *known, "-o", "run"),
        "check": ("check", "run", "--max-tv", 1),
        "--dry-run": (*audit, "--dry-run"),
        "collect": collect,
        "fit": ("fit", "traces", "-o", "d", "--estimator", "paired", "--permutations", 1),
        "sweep": ("sweep", *model, "--concept", CONCEPT, *sweep),
        "generate": (*generate, "--direction", "d:woman@2=3", "-o", "plain"),
        "generate --plan": (*generate, "--plan", "plan", "-o", "planned"),
    }.items():
        ran = cli(*command, "--json")
        assert ran.code == 0, ran.err
        for place, expected in KEYS[name].items():
            assert expected - keys(ran.json, place) == set(), (name, place)
        if name == "fit":
            shift = Shift(DirectionSet.load(Path("d")).find("woman", 2), 1.0)
            Plan(CONCEPT, {}, (Part(Intervention((shift,)), 1.0),)).save(Path("plan"))
