"""What the package promises to those who import it."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import equinoise

ROOT = Path(__file__).parents[1]


def test_public_names() -> None:
    assert sorted(equinoise.__all__) == [
        "Attachment",
        "Axis",
        "Confusion",
        "Counts",
        "DetectorSpec",
        "Direction",
        "DirectionSet",
        "Engine",
        "EquinoiseError",
        "EquinoiseWarning",
        "Gate",
        "Intervention",
        "Job",
        "ModelSpec",
        "Notes",
        "Part",
        "Plan",
        "Record",
        "Relations",
        "Request",
        "RunFolder",
        "Sampling",
        "Shift",
        "Traces",
        "attach",
        "audit",
        "audit_counts",
        "catalogue",
        "collect",
        "draw_noise",
        "fit",
        "load",
        "load_axis",
        "load_detector",
        "load_encoder",
        "misalign",
        "open_session",
        "read_records",
        "relate_texts",
        "step_at",
        "words_of",
        "write_report",
    ]
    assert all(hasattr(equinoise, name) for name in equinoise.__all__)


def test_importing_is_light() -> None:
    heavy = {"ray", "gradio", "fastapi", "matplotlib", "torch", "diffusers", "sklearn"}
    code = "import equinoise.cli, equinoise.workflows.question, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())


def test_docstring_examples() -> None:
    tried = 0
    for module in pkgutil.walk_packages(equinoise.__path__, "equinoise."):
        found = doctest.testmod(importlib.import_module(module.name))
        assert found.failed == 0, module.name
        tried += found.attempted
    assert tried > 0


def test_nothing_is_called_what_it_is_not() -> None:
    """Public names and texts say shift and mitigate; no registry is named; no pickle is read or written."""
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        text = path.read_text().lower()
        assert "debias" not in text or path.suffix == ".md", path
        assert "pickle.load" not in text, path
        assert "torch.load(" not in text, path
