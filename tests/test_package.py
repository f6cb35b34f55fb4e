"""What the package promises to those who import it."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import pkgutil
import random
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import equinoise

ROOT = Path(__file__).parents[1]
VERBS = [
    "attach",
    "audit",
    "audit_counts",
    "audit_images",
    "calibrate_detector",
    "check",
    "collect",
    "compare",
    "compare_runs",
    "demo",
    "detect_objects",
    "disagreements",
    "figures",
    "fit",
    "generate",
    "interactions",
    "load",
    "plan",
    "quality",
    "relate",
    "report",
    "sweep",
    "understand",
]
VALUES = [
    "Attachment",
    "Attribute",
    "AuditResult",
    "Axis",
    "ChangesResult",
    "Confusion",
    "Counts",
    "DetectorSettings",
    "DetectorSpec",
    "Direction",
    "DirectionSet",
    "Engine",
    "EquinoiseError",
    "EquinoiseWarning",
    "ImagesResult",
    "Intervention",
    "Merging",
    "Model",
    "ModelSpec",
    "Notes",
    "ObjectSearch",
    "Part",
    "Plan",
    "PlanResult",
    "PromptFilter",
    "Record",
    "Relations",
    "Sampling",
    "Shift",
    "SweepResult",
    "Traces",
]
FUNCTIONS = [
    "catalogue",
    "class_prompts",
    "class_words",
    "draw_noise",
    "from_pretrained",
    "load_axis",
    "load_detector",
    "load_encoder",
    "push_to_hub",
    "read_npy",
    "read_records",
    "read_result",
    "relate_texts",
    "save_pretrained",
    "step_at",
    "write_npy",
]
MODULES = ["equinoise", *(module.name for module in pkgutil.walk_packages(equinoise.__path__, "equinoise."))]


def test_public_names() -> None:
    assert sorted(equinoise.__all__) == sorted([*VERBS, *VALUES, *FUNCTIONS])
    assert all(isinstance(getattr(equinoise, name), type) for name in VALUES)
    assert all(isinstance(inspect.unwrap(getattr(equinoise, name)), FunctionType) for name in FUNCTIONS)
    assert set(equinoise.__all__) <= set(dir(equinoise))
    for name in ("sensitivity", "policy", "studio", "serve"):  # of later versions: absent, not stubs
        assert not hasattr(equinoise, name)


def shuffled(names: list[str]) -> list[str]:
    return random.Random(0).sample(names, len(names))


@pytest.mark.parametrize("order", [sorted, lambda names: sorted(names, reverse=True), shuffled])
def test_a_verb_stays_a_verb_whatever_is_imported(order: Callable[[list[str]], list[str]]) -> None:
    """Importing `equinoise.report` would put a module in place of the verb `report`: no module is called like one."""
    for name in order(MODULES):
        module = importlib.import_module(name)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)  # as the first import of it does
    for name in VERBS * 2:
        verb = getattr(equinoise, name)
        assert not isinstance(verb, ModuleType)
        with pytest.raises(TypeError, match=rf"{name}\(\) missing \d required"):
            verb()


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_takes_three_arguments_and_options_by_name_each_of_them_explained(name: str) -> None:
    verb = getattr(equinoise, name)
    parameters = inspect.signature(verb).parameters.values()
    kinds = [parameter.kind for parameter in parameters]
    assert set(kinds) <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    assert 1 <= kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) <= 3
    assert kinds.count(inspect.Parameter.KEYWORD_ONLY) <= 14
    explained = arguments_explained(verb)
    assert [parameter.name for parameter in parameters if parameter.name not in explained] == []
    assert not {name for name in explained if name not in inspect.signature(verb).parameters}


def arguments_explained(function: Any) -> set[str]:
    """The names before the colons of `Args:`."""
    _, _, text = inspect.getdoc(function).partition("Args:\n")  # type: ignore[union-attr]
    part = re.split(r"\n\n?\w+:\n", text)[0]
    return {name for names in re.findall(r"^ {4}([\w, ]+):", part, re.M) for name in names.split(", ")}


def test_importing_is_light(tmp_path: Path) -> None:
    """Whoever reads the help, audits labels or checks an audit does not wait for torch."""
    heavy = ["torch", "diffusers", "transformers", "accelerate", "peft", "sklearn", "pandas", "plotly", "matplotlib"]
    assert all(find_spec(name) for name in heavy)
    (tmp_path / "labels.csv").write_text("concept,axis,class,count\nx,gender,woman,3\nx,gender,man,4\n")
    code = f"""
import json, sys
import equinoise
loaded = lambda: [name for name in {["numpy", *heavy]} if name in sys.modules]
at_first = loaded()
from equinoise.cli.app import app
from equinoise.cli.console import run_app
codes = [run_app(app, line.split()) for line in (
    "audit --help", "audit labels.csv --axis gender -o run", "check run --max-tv 0.4",
)]
json.dump([at_first, codes, loaded()], open("found.json", "w"))
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads((tmp_path / "found.json").read_text()) == [[], [0, 0, 0], ["numpy"]]


def test_docstring_examples() -> None:
    tried = 0
    for name in MODULES:
        found = doctest.testmod(importlib.import_module(name))
        assert found.failed == 0, name
        tried += found.attempted
    assert tried > 0


def test_nothing_is_called_what_it_is_not() -> None:
    """Public names and texts say shift and mitigate; no registry is named; no pickle is read or written."""
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        text = path.read_text().lower()
        assert "debias" not in text or path.suffix == ".md", path
        assert "pickle.load" not in text, path
        assert "torch.load(" not in text, path
