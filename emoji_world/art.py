"""The drawings: openly licensed emoji art from three npm packages, fetched once into an ignored folder.

Noto (google) is Apache-2.0, Twemoji (twitter) is CC BY 4.0, Fluent (flat) is MIT; see NOTICE. `npm pack` asks whatever
registry the user's npm is set up with; version and integrity are pinned in `world.toml`. `EMOJI_WORLD_ART` names
another folder to keep them in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import tarfile
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from emoji_world.world import world

ART = Path(os.environ.get("EMOJI_WORLD_ART", Path(__file__).parent / "art"))
FLAT = "package/icons/flat/"
# Fluent names its tones; the two others use Fitzpatrick modifiers
FLUENT_TONES = {"1F3FB": "light", "1F3FC": "medium-light", "1F3FD": "medium", "1F3FE": "medium-dark", "1F3FF": "dark"}
RENDERED = 64


def fetch(style: str) -> Path:
    """Folder with the drawings of one style; downloads and checks the package if needed.

    Raises:
        RuntimeError: npm failed, or the package is not the pinned one.
    """
    folder = ART / style
    if (folder / "complete").exists() or (folder / "emoji.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    source = world()["sources"][style]
    spec = f"{source['package']}@{source['version']}"
    done = subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(ART), spec], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"npm could not fetch {spec}: {done.stderr.strip()[-200:]}")
    archive = ART / done.stdout.strip().splitlines()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != source["integrity"]:
        raise RuntimeError(f"{spec} is not the pinned package: sha512-{digest}")
    with tarfile.open(archive) as tar:
        _unpack(tar, folder, FLAT if style == "fluent" else f"package/img/{style}/64/")
        if style != "fluent":
            (folder / "emoji.json").write_bytes(tar.extractfile("package/emoji.json").read())  # type: ignore[union-attr]
    (folder / "complete").touch()
    return folder


def _unpack(tar: tarfile.TarFile, folder: Path, prefix: str) -> None:
    for member in tar:
        if member.name.startswith(prefix) and member.isfile():
            (folder / Path(member.name).name).write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]


@cache
def drawing(style: str, name: str, modifier: str | None = None) -> Image.Image:
    """One drawing by its short name in the emoji data, 64×64 RGBA, with a skin modifier where it has one."""
    folder = fetch(style)
    if style != "fluent":
        return Image.open(folder / _files(style)[name][modifier or ""]).convert("RGBA")
    stem = _fluent_name(name) + (f"-{FLUENT_TONES[modifier]}" if modifier else "")
    return _render((folder / f"{stem}.svg").read_text())


@cache
def _files(style: str) -> dict[str, dict[str, str]]:
    """Short name → modifier ("" without one) → file name."""
    table = json.loads((fetch(style) / "emoji.json").read_text())
    return {
        emoji["short_name"]: {"": emoji["image"]}
        | {modifier: variation["image"] for modifier, variation in emoji.get("skin_variations", {}).items()}
        for emoji in table
    }


def _fluent_name(name: str) -> str:
    """The file stem of a short name: a table for those that differ, else "male-cook" → "man-cook"."""
    known: dict[str, str] = world()["sources"]["fluent"]["names"]
    stem = known.get(name, name.replace("_", "-"))
    return re.sub(r"^female-", "woman-", re.sub(r"^male-", "man-", stem))


def _render(svg: str) -> Image.Image:
    import resvg_py

    return Image.open(BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=RENDERED, height=RENDERED)))).convert(
        "RGBA"
    )
