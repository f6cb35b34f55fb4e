"""`compare`: a row a method on the same seeds, resumed by row; a method that fails does not lose the others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from conftest import Ran
from rich.console import Console

from equinoise import EquinoiseError, EquinoiseWarning, Model, compare, load, read_result, report
from equinoise.methods import METHODS, Method, Prepared
from equinoise.results.comparisons.methods import MethodsResult, gap_chart
from equinoise.results.tables import TextTable
from equinoise.statistics import gap_squared_interval, gap_squared_unbiased

DOCTOR, ROOT = "a photo of a doctor", Path(__file__).parents[1]
CONTRACT = {
    "name", "concept", "audit", "concept_fidelity", "diversity", "off_target", "unchanged", "denoiser_calls_per_image",
    "setup_calls",
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Model:
    return load("mixture", steps=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare") / "run"


def small(model: Model, folder: Path | None, methods: list[str | Method]) -> MethodsResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equinoise.methods.rejection.AT_ONCE", 16)
        patch.setattr("equinoise.methods.prompt.PILOTS", 16)
        patch.setattr("equinoise.workflows.comparisons.own_methods.LOOK", 16)
        return compare(model, DOCTOR, axes="gender", others="tone", methods=methods, n=24, pilots=4, out=folder)


@pytest.fixture(scope="module")
def found(model: Model, folder: Path) -> MethodsResult:
    with pytest.warns(EquinoiseWarning, match="UCE failed .*, gender: .*not a diffusers pipeline"):
        return small(model, folder, ["prompt", "uce", "rejection", "early-rejection", "recipe"])


def test_each_method_has_its_rows_on_the_same_seeds(found: MethodsResult) -> None:
    rows = [(row.name, row.setting) for row in found.methods]
    both = [(name, setting) for name in ("early-rejection", "recipe") for setting in ("published", "tuned")]
    plain = [("untouched", "published"), ("prompt", "published"), ("prompt", "tuned"), ("rejection", "published")]
    assert rows == [*plain, *both]
    assert {row.audit.n for row in found.methods} == {24}
    assert [(row.name, "not a diffusers pipeline" in row.reason) for row in found.failed] == [("uce", True)]


def test_what_each_reaches_and_what_it_costs(found: MethodsResult) -> None:
    by = {(row.name, row.setting): row for row in found.methods}
    untouched, rejection = by["untouched", "published"], by["rejection", "published"]
    assert (untouched.unchanged.count, untouched.moved.value) == (24, pytest.approx(0, abs=1e-6))
    assert untouched.audit["woman"].share == pytest.approx(0.2, abs=0.25)
    assert rejection.audit["woman"].count == 12  # of the drawn class, every one
    assert 7 <= rejection.unchanged.count < 19  # those whose own seed shows the drawn class
    assert rejection.denoiser_calls_per_image > 9
    assert by["recipe", "published"].settings == {"towards": "woman"}
    assert by["recipe", "published"].setup_calls == 16 * 6 + 100 * 2
    tuned, early = by["recipe", "tuned"], by["early-rejection", "published"]
    assert (tuned.tuning_calls, tuned.setup_calls) == (3 * 4 * 6, by["recipe", "published"].setup_calls)
    assert early.denoiser_calls_per_image > 6
    assert set(untouched.off_target) == {"tone"}
    for row in found.methods:
        assert row.gap_squared is not None
        assert row.gap_squared.value == row.audit.gap_squared_unbiased
        assert row.gap_squared.low <= row.gap_squared.value <= row.gap_squared.high


def test_a_comparison_resumes_by_row(model: Model, folder: Path, found: MethodsResult) -> None:
    with pytest.warns(EquinoiseWarning, match="UCE failed"):
        again = small(model, folder, ["prompt", "uce", "rejection", "early-rejection", "recipe"])
    assert again == found
    assert read_result(folder) == found
    assert MethodsResult.from_json(json.loads(json.dumps(found.to_json())), "here") == found


def test_what_was_cut_off_ends_as_what_was_not(
    model: Model, found: MethodsResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> Prepared:
        raise KeyboardInterrupt

    halted = Method(**{**vars(METHODS["rejection"]), "prepare": stop})
    with pytest.raises(KeyboardInterrupt):
        small(model, tmp_path / "cut", ["prompt", halted])
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "cut").rglob("*.png")}
    whole = small(model, tmp_path / "cut", ["prompt", "rejection"])
    assert {file: file.stat().st_mtime_ns for file in made} == made
    wanted = {(row.name, row.setting): row for row in found.methods}
    for row in whole.methods:
        plain = {"seconds_per_image": None}
        assert row.model_copy(update=plain) == wanted[row.name, row.setting].model_copy(update=plain)


def test_a_method_that_breaks_does_not_lose_the_others(model: Model) -> None:
    def broken(*_: object) -> Prepared:
        raise ZeroDivisionError("by zero")

    own = Method("own", "a method of one's own", "here", "prompt", None, (), broken)
    with pytest.warns(EquinoiseWarning, match="ZeroDivisionError: by zero"):
        found = small(model, None, [own, "prompt"])
    assert [row.name for row in found.methods] == ["untouched", "prompt", "prompt"]
    assert [(row.name, row.reason) for row in found.failed] == [("own", "ZeroDivisionError: by zero")]


def test_the_page_has_every_method_and_the_same_seeds(found: MethodsResult, folder: Path, tmp_path: Path) -> None:
    page = report([found], tmp_path / "page.html").read_text()
    assert page == report([folder], tmp_path / "again.html").read_text()
    assert "Methods on the same seeds" in page
    for row in found.methods:
        assert row.title in page
    assert page.count("<img") == 8 * len(found.methods)
    assert "not a diffusers pipeline" in page
    assert len(gap_chart(found.methods, "cost").data[0].x) == len(found.methods)
    assert "rejection" in str(found)  # a word that is not broken where there is room
    assert set(found.to_frame()["method"]) == {row.name for row in found.methods}


def test_the_command(cli: Callable[..., Ran], tmp_path: Path) -> None:
    asked = ("compare", "mixture", "--concept", DOCTOR, "--axis", "gender", "--steps", 6, "--workers", 1, "-n", 16)
    ran = cli(*asked, "--methods", "prompt", "--pilots", 0, "-o", tmp_path / "run", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["methods"][0].keys() >= CONTRACT
    assert [row["name"] for row in ran.json["methods"]] == ["untouched", "prompt"]
    ran = cli(*asked, "--methods", "prompt,plan", "--pilots", 8, "--budget", 100, "--dry-run", "--json")
    assert ran.json["images"] == 5 * 16 + 100  # untouched, named, two of prompt, the plan; what it is made from
    ran = cli(*asked, "--methods", "magic")
    assert (ran.code, "no method 'magic'; there are untouched, prompt" in ran.err) == (2, True)


def test_the_method_of_the_documentation(model: Model) -> None:
    """The code of docs/methods.md is a file as it stands."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "methods.md").read_text(), re.S)
    module: dict[str, object] = {}
    exec(compile(code, "variety.py", "exec", dont_inherit=True), module)
    found = small(model, None, [module["VARIETY"]])  # type: ignore[list-item]
    assert [(row.name, row.strength) for row in found.methods] == [("untouched", None), ("variety", None)]
    assert found.failed == ()


def test_words_stay_whole_where_they_fit_and_no_digit_is_lost_where_not() -> None:
    table = TextTable(("class", "share"), (("medium-light", "24.2% (17.5%–32.4%)"), ("dark", "11.7% (7.2%–18.5%)")))
    for width in (14, 20, 30, 60):
        console = Console(width=width, file=StringIO(), highlight=False)
        console.print(table.to_rich(width))
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert sorted(filter(str.isdigit, shown)) == sorted("24217532411772185"), width
        assert ("medium-light" in shown) == (width >= 30)


def test_pilots_are_counted(model: Model) -> None:
    with pytest.raises(EquinoiseError, match="--pilots -1"):
        compare(model, DOCTOR, axes="gender", pilots=-1)


def test_the_interval_of_the_squared_gap_holds_the_truth() -> None:
    import numpy as np

    rng, truth, held = np.random.default_rng(1), (0.3 - 0.5) ** 2 + (0.7 - 0.5) ** 2, 0
    for _ in range(200):
        women = int(rng.binomial(128, 0.3))
        ends = gap_squared_interval([women, 128 - women], [0.5, 0.5])
        assert ends is not None
        held += ends[0] <= truth <= ends[1]
    assert held >= 180
    assert gap_squared_interval([1, 0], [0.5, 0.5]) is None
    assert gap_squared_unbiased([1, 0], [0.5, 0.5]) is None
