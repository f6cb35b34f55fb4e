"""Directions and plans travel: folders, a stand-in for the hub's client, cards, and the authors' files."""

from __future__ import annotations

import inspect
import pickle
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from factories import direction
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError

import equinoise
from equinoise.directions.direction import DirectionSet
from equinoise.directions.npy import read_npy, write_npy
from equinoise.errors import EquinoiseError
from equinoise.hub import Notes, from_pretrained, push_to_hub, save_pretrained
from equinoise.models import load_model
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.plan import Part, Plan

AUDIT = {
    "concept": "a photo of a | doctor",
    "axis": "gender",
    "n": 100,
    "unclear": 2,
    "classes": {
        "woman": {"count": 12, "share": 0.122, "low": 0.071, "high": 0.202},
        "man": {"count": 86, "share": 0.878, "low": 0.798, "high": 0.929},
    },
}


@pytest.fixture
def directions() -> DirectionSet:
    dark = direction(1, label="dark", axis="tone", kind="scale", against="light", step="T", accuracy=None, p=None)
    return DirectionSet((direction(), dark))


@pytest.fixture
def plan(directions: DirectionSet) -> Plan:
    shift = Shift(directions.find("woman", 10), 3.0)
    parts = (Part(Intervention(), 0.4), Part(Intervention((shift,)), 0.6))
    return Plan("a photo of a doctor", {"gender": {"woman": 0.5, "man": 0.5}}, parts, seeds=(7, 8, 9))


class Hub:
    """Stands in for `huggingface_hub.HfApi`: repositories are folders. Calls are held to the real signatures."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.tokens, self.private = root, [], {}  # type: ignore[var-annotated]
        monkeypatch.setattr(huggingface_hub, "HfApi", self.client)

    def client(self, token: Any = None) -> Hub:
        self.tokens.append(token)
        return self

    def __getattribute__(self, name: str) -> Any:
        real = getattr(HUB_CLIENT, name, None)
        ours = object.__getattribute__(self, name)
        if name.startswith("_") or real is None:
            return ours

        def checked(*args: Any, **kwargs: Any) -> Any:
            inspect.signature(real).bind(None, *args, **kwargs)
            return ours(*args, **kwargs)

        return checked

    def _place(self, repo_id: str, revision: str | None) -> Path:
        return self.root / repo_id / (revision or "main")

    def create_repo(self, repo_id: str, private: bool | None, exist_ok: bool) -> Any:
        full = repo_id if "/" in repo_id else f"me/{repo_id}"
        self.private[full] = private
        self._place(full, None).mkdir(parents=True, exist_ok=exist_ok)
        return type("RepoUrl", (), {"repo_id": full})

    def create_branch(self, repo_id: str, branch: str, exist_ok: bool) -> None:
        self._place(repo_id, branch).mkdir(exist_ok=exist_ok)

    def upload_folder(self, repo_id: str, folder_path: str, commit_message: str, **given: Any) -> str:
        shutil.copytree(folder_path, self._place(repo_id, given["revision"]), dirs_exist_ok=True)
        return f"https://hub/{repo_id}/commit/{commit_message}"

    def hf_hub_download(self, repo_id: str, filename: str, revision: str | None = None, **given: Any) -> str:
        file = self._place(repo_id, revision) / filename
        if not file.is_file():
            response = type("Response", (), {"headers": {}, "request": None, "status_code": 404})()
            kind = RemoteEntryNotFoundError if file.parent.is_dir() else RepositoryNotFoundError
            raise kind("404 Client Error.\n\nNot Found", response=response)
        return str(file)


HUB_CLIENT = huggingface_hub.HfApi


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(tmp_path / "hub", monkeypatch)


def test_a_folder_and_back(directions: DirectionSet, plan: Plan, tmp_path: Path) -> None:
    assert save_pretrained(directions, tmp_path / "d") == tmp_path / "d"
    save_pretrained(plan, str(tmp_path / "p"))
    assert sorted(file.name for file in (tmp_path / "d").iterdir()) == ["README.md", "directions.safetensors"]
    again = from_pretrained(tmp_path / "d")
    assert isinstance(again, DirectionSet)
    assert [d.digest for d in again.directions] == [d.digest for d in directions.directions]
    planned = from_pretrained(str(tmp_path / "p"))
    assert isinstance(planned, Plan)
    assert planned.digest == plan.digest
    for name in (tmp_path, tmp_path / "d" / "plan.safetensors"):
        with pytest.raises(EquinoiseError, match=r"holds no .*plan\.safetensors; give a folder") as refused:
            from_pretrained(name)
        assert "\n" not in str(refused.value)


def test_a_folder_of_both_is_asked_for_by_file(directions: DirectionSet, plan: Plan, tmp_path: Path) -> None:
    save_pretrained(directions, tmp_path)
    save_pretrained(plan, tmp_path)
    with pytest.raises(EquinoiseError, match=r"holds directions\.safetensors and plan\.safetensors; name one"):
        from_pretrained(tmp_path)
    assert isinstance(from_pretrained(tmp_path / "plan.safetensors"), Plan)
    assert isinstance(from_pretrained(str(tmp_path / "directions.safetensors")), DirectionSet)


def test_the_hub_and_back(directions: DirectionSet, plan: Plan, hub: Hub) -> None:
    said = push_to_hub(directions, "doctors", private=True, token="secret", commit_message="first")
    assert said.endswith("/first")
    assert hub.private == {"me/doctors": True}
    assert hub.tokens == ["secret"]
    found = from_pretrained("me/doctors")
    assert isinstance(found, DirectionSet)
    assert found.labels() == directions.labels()
    push_to_hub(plan, "me/doctors", branch="plans", notes=Notes(licence="cc-by-4.0"))
    again = from_pretrained("me/doctors", revision="plans", cache_dir="x", local_files_only=True)
    assert isinstance(again, Plan)
    assert again.digest == plan.digest
    assert "license: cc-by-4.0" in (hub.root / "me/doctors/plans/README.md").read_text()
    for name, message in [
        ("me/doctors/plan.safetensors", r"cannot get plan\.safetensors of 'me/doctors': 404"),
        ("me/nurses", r"cannot get directions\.safetensors or plan\.safetensors of 'me/nurses': 404"),
    ]:
        with pytest.raises(EquinoiseError, match=message) as refused:
            from_pretrained(name)
        assert "\n" not in str(refused.value)
    push_to_hub(plan, "me/doctors")
    with pytest.raises(EquinoiseError, match=r"name one of them, such as me/doctors/plan\.safetensors"):
        from_pretrained("me/doctors")
    assert isinstance(from_pretrained("me/doctors/plan.safetensors"), Plan)


def test_a_hub_out_of_reach_is_one_line(directions: DirectionSet, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise HfHubHTTPError("503\nno", response=type("R", (), {"headers": {}, "request": None})())  # type: ignore[arg-type]

    monkeypatch.setattr(Hub, "upload_folder", down)
    with pytest.raises(EquinoiseError, match="cannot push to 'doctors': 503 no") as refused:
        push_to_hub(directions, "doctors")
    assert "\n" not in str(refused.value)


def test_names_out_of_reach_are_one_line_with_the_real_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("nobody/nothing", "not a/good/name"):
        with pytest.raises(EquinoiseError, match=r"cannot get directions\.safetensors") as refused:
            from_pretrained(name, cache_dir=tmp_path)
        assert "\n" not in str(refused.value)


def test_the_card_of_directions_says_where_they_come_from(directions: DirectionSet, tmp_path: Path) -> None:
    text = (save_pretrained(directions, tmp_path) / "README.md").read_text()
    header = huggingface_hub.ModelCard(text).data
    assert (header.library_name, header.tags[:2]) == ("equinoise", ["equinoise", "directions"])
    for words in (
        "| woman@10 | gender | woman | man | svm | 0.90 (0.80–0.95) | 0.010 |",
        "| dark@T | tone | dark | light | svm | not known | not known |",
        "model m, revision not recorded, hash of its weights abc; scheduler DDIMScheduler, 50 steps, guidance scale 2",
        "3 seeds from 1 to 3",
        '- woman: "a photo of a woman"',
        "None was given: what it does has to be measured",
        "## Intended use",
        "perceived",
        'value.find("woman", 10), weight=3',
    ):
        assert words in text


def test_the_card_of_a_plan_shows_what_it_did(plan: Plan, tmp_path: Path) -> None:
    after = {**AUDIT, "classes": {**AUDIT["classes"], "woman": {"count": 50, "share": 0.51, "low": 0.41, "high": 0.61}}}  # type: ignore[dict-item]
    notes = Notes({"audits": [AUDIT]}, {"audits": [after]}, "For a test.", ("Doctors only.",))
    text = (save_pretrained(plan, tmp_path, notes=notes) / "README.md").read_text()
    for words in (
        "| gender | woman 50.0%, man 50.0% |",
        "| 40.0% | none | 0.0 |",
        "| 60.0% | woman@10=3 | 4.5 |",
        "chosen on 3 seeds from 7 to 9",
        r"| a photo of a \| doctor | gender | woman | 12% (7–20), 12 of 98 | 51% (41–61), 50 of 98 |",
        "For a test.",
        "- Doctors only.",
        'images = pipe("a photo of a doctor"',
    ):
        assert words in text


def test_the_card_of_a_plan_that_uses_rejection_sampling_says_so(tmp_path: Path) -> None:
    plan = Plan.load(Path(__file__).parent / "data" / "plan-0.1.safetensors")
    text = (save_pretrained(plan, tmp_path) / "README.md").read_text()
    for words in (
        "| 20.0% | none, kept if woman | 0.0 |",
        "an early classifier predicts it after step 3",
        "at most 32 times",
        "(`similar`, cosine at least 0.9)",
        "| hut-vs-mansion@10 | house | hut | mansion | paired |",
    ):
        assert words in text
    assert isinstance(from_pretrained(tmp_path), Plan)


def test_the_code_on_a_card_runs(
    directions: DirectionSet, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the pipeline, which is the reader's own."""
    said: list[Any] = []
    monkeypatch.setattr(equinoise, "attach", lambda _, what, **given: said.append(what) or nullcontext(), raising=False)
    every = DirectionSet.load(Path(__file__).parent / "data" / "directions-0.1.safetensors")
    pairs = DirectionSet(tuple(d for d in every.directions if d.origin.kind == "pairwise"))
    for number, what in enumerate((directions, pairs, plan)):
        folder = save_pretrained(what, tmp_path / str(number))
        code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
        exec(code.replace("this folder or repository", str(folder)), {"pipe": Pipe()})
        assert len(said) == number + 1
        assert said[-1].digest == (plan if what is plan else what.directions[0]).digest


class Pipe:
    """A pipeline that takes any call."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        return type("Output", (), {"images": []})


def test_notes_take_results_as_well_as_json(plan: Plan, tmp_path: Path) -> None:
    class Audited:
        def to_json(self) -> dict[str, Any]:
            return {"audits": [AUDIT]}

    texts = [
        (save_pretrained(plan, tmp_path, notes=Notes(before=given)) / "README.md").read_text()
        for given in ({"audits": [AUDIT]}, Audited())
    ]
    assert texts[0] == texts[1]
    assert "| concept | axis | class | before |" in texts[0]


def npy(path: Path, array: np.ndarray, **options: Any) -> Path:
    np.save(path, array, **options)
    return path


def test_the_authors_files_and_back(tmp_path: Path) -> None:
    vector = np.random.default_rng(0).standard_normal((1, 4, 128, 128)) / 0.18215
    file = npy(tmp_path / "woman.npy", vector.astype(np.float32))
    d = read_npy(file, "gender", "woman", step=10)
    assert d.vector.shape == (4, 128, 128)
    assert np.linalg.norm(d.vector) == pytest.approx(1, abs=1e-5)
    assert np.allclose(d.vector, vector[0] / np.linalg.norm(vector), atol=1e-8)
    assert (d.origin.estimator, d.origin.against) == ("imported", "rest")
    assert write_npy(d, tmp_path / "back.npy") == (1, 4, 128, 128)
    again = np.load(tmp_path / "back.npy", allow_pickle=False)
    assert again.dtype == np.float32
    assert np.array_equal(again[0], d.vector)


def test_files_of_numpy_that_are_no_direction(tmp_path: Path) -> None:
    ones = np.ones((1, 4, 2, 2))
    (tmp_path / "pickled.npy").write_bytes(pickle.dumps({"direction": [1.0]}))
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "many.npz", a=ones)
    for file, message in [
        (npy(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True), "pickles are not read"),
        (tmp_path / "pickled.npy", "pickles are not read"),
        (tmp_path / "empty.npy", "not a plain .npy file"),
        (tmp_path / "many.npz", "several arrays"),
        (tmp_path / "none.npy", "no such file"),
        (tmp_path, "cannot read"),
        (npy(tmp_path / "flat.npy", np.ones(16)), "of shape"),
        (npy(tmp_path / "whole.npy", ones.astype(int)), "int64"),
        (npy(tmp_path / "nan.npy", ones * np.nan), "NaN"),
        (npy(tmp_path / "zero.npy", ones * 0), "direction is zero"),
    ]:
        with pytest.raises(EquinoiseError, match=message) as refused:
            read_npy(file, "gender", "woman", step=10)
        assert "\n" not in str(refused.value)


def test_a_pair_of_classes_has_one_name_on_the_command_line(cli: Callable, tmp_path: Path) -> None:
    file = Path(__file__).parent / "data" / "directions-0.1.safetensors"
    out = tmp_path / "pair.npy"
    ran = cli("export-direction", f"{file}:hut-vs-mansion@10", "-o", out, "--json")
    assert ran.code == 0, ran.err
    assert np.array_equal(np.load(out)[0], DirectionSet.load(file).find("hut", 10, against="mansion").vector)
    refused = cli("export-direction", f"{file}:mansion-vs-hut@10", "-o", out)
    assert refused.code == 2
    assert "no direction towards 'mansion-vs-hut'" in refused.err


def test_the_commands(cli: Callable, tmp_path: Path) -> None:
    model = load_model("mixture")
    file, out = npy(tmp_path / "w.npy", np.ones((1, *model.latent_shape))), tmp_path / "d.safetensors"
    ran = cli("import-direction", file, "--axis", "gender", "--class", "woman", "--step", 10, "-o", out, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["directions"] == [{"axis": "gender", "class": "woman", "step": 10, "name": "woman@10"}]
    back = cli("export-direction", f"{out}:woman@10", "-o", tmp_path / "back.npy", "--json")
    assert back.json["shape"] == [1, *model.latent_shape]
    used = cli("generate", "mixture", "--concept", "a photo of a doctor", "--direction", f"{out}:woman@10=1", "-n", 2,
               "--workers", 1, "--steps", 2, "-o", tmp_path / "run", "--json")  # fmt: skip
    assert used.code == 0, used.err
    assert used.err.count("does not say on which model it was found") == 1
    assert used.err.count("\n") == 1
    stamped = tmp_path / "stamped.safetensors"
    to = ("--axis", "gender", "--class")
    cli("import-direction", file, *to, "woman", "--step", "T", "--model", "mixture", "-o", stamped)
    assert DirectionSet.load(stamped).find("woman", "T").origin.model == model.provenance
    small = npy(tmp_path / "small.npy", np.ones((1, 4, 2, 2)))
    for arguments, message in [
        (("import-direction", file, *to, "queen", "--step", 1, "-o", out), "no class 'queen'"),
        (("import-direction", file, *to, "man", "--step", "1,2", "-o", out), "one step"),
        (("import-direction", small, *to, "man", "--step", 1, "--model", "mixture", "-o", out), "not its own"),
        (("export-direction", f"{out}:woman", "-o", tmp_path / "x.npy"), "not FILE:CLASS@STEP"),
        (("export-direction", f"{out}:man@10", "-o", tmp_path / "x.npy"), "no direction towards 'man'"),
    ]:
        refused = cli(*arguments)
        assert refused.code == 2
        assert message in refused.err
