"""The drawings: openly licensed emoji art from two npm packages, fetched once into an ignored folder.

Noto (google) is Apache-2.0, Twemoji (twitter) is CC BY 4.0; see NOTICE. `npm pack` asks whatever registry the
user's npm is set up with; version and integrity are pinned in `world.toml`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
from functools import cache
from pathlib import Path

from PIL import Image

from emoji_world.world import Person, world

ART = Path(__file__).parent / "art"


def fetch(style: str) -> Path:
    """Folder with `emoji.json` and the 64-pixel drawings of one style; downloads and checks it if needed.

    Raises:
        RuntimeError: npm failed, or the package is not the pinned one.
    """
    folder = ART / style
    if (folder / "emoji.json").exists():
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
    _unpack(archive, folder, style)
    return folder


def _unpack(archive: Path, folder: Path, style: str) -> None:
    """Only the table of names and the small drawings; the table last, as the sign that all is there."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.startswith(f"package/img/{style}/64/") and member.isfile():
                (folder / Path(member.name).name).write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
        (folder / "emoji.json").write_bytes(tar.extractfile("package/emoji.json").read())  # type: ignore[union-attr]


@cache
def _names(style: str) -> dict[str, dict[str, str]]:
    """Short name → modifier → file name."""
    table = json.loads((fetch(style) / "emoji.json").read_text())
    return {
        emoji["short_name"]: {modifier: variation["image"] for modifier, variation in emoji["skin_variations"].items()}
        for emoji in table
        if "skin_variations" in emoji
    }


@cache
def sprite(person: Person) -> Image.Image:
    """The drawing of one cell, 64×64 RGBA."""
    pattern = world()["roles"][person.role]["sprite"]
    gender = {"woman": "female", "man": "male"}[person.gender]
    name = person.gender if pattern == "plain" else pattern.format(gender=gender)
    modifier = world()["tones"][person.tone]["modifier"]
    return Image.open(fetch(person.style) / _names(person.style)[name][modifier]).convert("RGBA")
