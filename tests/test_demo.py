"""The whole story, small: every stage runs, resumes, and tells the truth about the fixture."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

CONCEPT = "a photo of a doctor"


def test_demo(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equinoise.workflows.demo.STEPS", 5)  # of 25: the same stages on coarser pictures
    arguments = ("demo", "-o", tmp_path / "d", "-n", 6, "--pilots", 2, "--pairs", 3, "--batch-size", 8, "--json")
    ran = cli(*arguments)
    assert ran.code == 0, ran.err
    result = ran.json
    assert {"report", "before", "after", "direction", "directions", "differences", "applied"} <= result.keys()
    assert {"plan", "recipe"} <= result.keys()
    under = {part: result[part]["audits"] for part in ("before", "after")}
    under |= {"recipe": result["recipe"]["audit"]["audits"], "verified": result["plan"]["verified"]["audits"]}
    for name, audits in under.items():
        assert [(a["axis"], a["n"]) for a in audits] == [("gender", 6), ("tone", 6)], name
    assert [a["classes"] for a in under["after"]] == [a["classes"] for a in under["verified"]]
    assert set(result["plan"]["targets"]) == set(result["differences"]) == {"gender", "tone"}
    assert {d["step"] for d in result["directions"]} == {1}  # a fifth of the run
    page = re.sub(r"<script.*?</script>", "", Path(result["report"]).read_text(), flags=re.S)
    assert "Test fixture" in page
    for word in ("debiased", "unbiased model", "solved"):
        assert word not in page
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "d").rglob("*.png")}
    again = cli(*arguments)
    assert again.json == result
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "d").rglob("*.png")} == kept
    assert cli("check", tmp_path / "d", "--max-tv", "1", "--json").json["verdicts"][0]["concept"] == CONCEPT


def test_the_planted_skew_shows_and_the_direction_moves_it(cli: Callable, tmp_path: Path) -> None:
    """The claim of the whole, on few images: doctors are mostly men, and the woman direction makes more women."""
    fast = ("--steps", 10, "--batch-size", 16)
    traces, directions = tmp_path / "t", tmp_path / "g.safetensors"
    assert cli("collect", "emoji", "--axis", "gender", "-n", 16, "--capture", "2", "-o", traces, *fast).code == 0
    assert cli("fit", traces, "-o", directions, "--estimator", "paired", "--permutations", 9).code == 0
    ran = cli(
        "sweep",
        "emoji",
        "--concept",
        CONCEPT,
        "--direction",
        f"{directions}:woman",
        "--weights",
        "8",
        "-n",
        24,
        "--json",
        *fast,
    )
    assert ran.code == 0, ran.err
    assert ran.json["untouched"]["share"] < 0.45
    assert ran.json["cells"][0]["share"] > ran.json["untouched"]["share"] + 0.2
    assert ran.json["untouched"]["concept_fidelity"] == pytest.approx(1, abs=0.15)
