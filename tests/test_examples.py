"""The notebook and the quickstart as they stand, at reduced size."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # the notebook's own machinery warns of its sockets and loops
]


def test_the_notebook(tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    parameters.source = "n, steps, budget, pairs = 8, 5, 72, 4"
    done = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {i: cell.outputs for i, cell in enumerate(done.cells) if cell.cell_type == "code"}
    tables = [out for outs in shown.values() for out in outs if "<table>" in out.get("data", {}).get("text/html", "")]
    assert len(tables) >= 5  # audit, plan, changes, sweep, counts
    assert (tmp_path / "report.html").stat().st_size > 100_000


def test_the_quickstart(tmp_path: Path) -> None:
    """Without a guard for the main module, as people write scripts."""
    script = (EXAMPLES / "quickstart.py").read_text()
    small = script.replace("steps=25", "steps=5").replace("n=128", "n=8").replace("budget=768", "budget=72, pairs=4")
    assert small.count("=8") == 2
    (tmp_path / "quickstart.py").write_text(small)
    done = subprocess.run(
        [sys.executable, "quickstart.py"],
        cwd=tmp_path, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert "woman" in done.stdout
    assert "report.html" in done.stdout
    assert (tmp_path / "runs/quickstart/report.html").is_file()


def test_the_readme(tmp_path: Path) -> None:
    """The lines of Python in README.md, on the model whose images cost nothing."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(block.splitlines()) <= 12
    small = block.replace('"emoji", steps=25', '"mixture", steps=5').replace("n=128", "n=16")
    (tmp_path / "lines.py").write_text(small.replace("budget=768", "budget=72, pairs=4") + "print(len(images))\n")
    done = subprocess.run(
        [sys.executable, "lines.py"],
        cwd=tmp_path, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.stdout.endswith("8\n")
    assert (tmp_path / "report.html").is_file()
