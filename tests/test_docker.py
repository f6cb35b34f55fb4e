"""The Dockerfile: what hadolint says of it, and what hadolint cannot know. There is no engine here to build it with."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of a name, its continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(f"{name} ")]


def test_hadolint_finds_nothing() -> None:
    tool = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([tool, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /opt && pip install equinoise\n")
    tool = Path(sys.executable).with_name("hadolint")
    assert subprocess.run([tool, tmp_path / "Dockerfile"], capture_output=True, check=False).returncode == 1


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {name for line in instructions("COPY") for name in line.split()[:-1]}
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"], "constraints.txt"} <= copied  # what a build of it reads


def test_it_installs_as_make_does_and_runs_as_nobody_special() -> None:
    (install,) = (line for line in instructions("RUN") if "pip install" in line)
    assert "--constraint constraints.txt" in install
    (user,) = instructions("USER")
    assert any(f"--uid {user} " in line for line in instructions("RUN"))
    assert int(user) > 0
    assert instructions("ENTRYPOINT") == ['["equinoise"]']
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert all(name in extras for line in instructions("ARG") if line.startswith("EXTRAS=") for name in [line[7:]])


def test_no_host_is_named() -> None:
    """Where packages and images come from is for whoever builds it to say."""
    text = DOCKERFILE + (ROOT / "docs" / "docker.md").read_text()
    bare = re.sub(r"https://(arxiv\.org|docs\.docker\.com)\S*", "", text)
    assert "://" not in bare
    assert not [word for word in re.findall(r"[\w.-]+", bare) if fnmatch(word, "*.io") or fnmatch(word, "*.org")]
