"""The drawings: openly licensed emoji art from three npm packages, fetched once into an ignored folder.

Noto (google) is Apache-2.0, Twemoji (twitter) is CC BY 4.0, Fluent (flat) is MIT; see NOTICE. All are vector graphics,
rendered here at whatever size the pictures have. `npm pack` asks whatever registry the user's npm is set up with;
version and integrity are pinned in `world.toml`. `EMOJI_WORLD_ART` names another folder to keep them in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import tarfile
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from emoji_world.drawing.canvas import SIZE
from emoji_world.world import world

ART = Path(os.environ.get("EMOJI_WORLD_ART", Path(__file__).parents[1] / "art"))
FLAT = "package/icons/flat/"


def fetch(style: str) -> Path:
    """Folder with the drawings of one style, `NAME.svg` each; downloads and checks the package if needed.

    Raises:
        RuntimeError: npm failed, or the package is not the pinned one.
    """
    source = world().sources[style]
    spec = f"{source.package}@{source.version}"
    # one folder a package and version: what an earlier one left is never taken for it
    folder = ART / spec.replace("/", "-").removeprefix("@")
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    archive = _pack(spec, source.integrity)
    with tarfile.open(archive) as tar:
        if style == "fluent":
            _unpack_files(tar, folder)
        else:
            _unpack_icons(tar, folder)
    (folder / "complete").touch()
    return folder


def _pack(spec: str, integrity: str) -> Path:
    command = ["npm", "pack", "--silent", "--pack-destination", str(ART), spec]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"npm could not fetch {spec}: {done.stderr.strip()[-200:]}")
    archive = ART / done.stdout.strip().splitlines()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != integrity:
        raise RuntimeError(f"{spec} is not the pinned package: sha512-{digest}")
    return archive


def _unpack_files(tar: tarfile.TarFile, folder: Path) -> None:
    for member in tar:
        if member.name.startswith(FLAT) and member.isfile():
            (folder / Path(member.name).name).write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]


def _unpack_icons(tar: tarfile.TarFile, folder: Path) -> None:
    """One JSON of all drawings (Iconify's format): the body of an SVG by name, all of one size."""
    table = json.loads(tar.extractfile("package/icons.json").read())  # type: ignore[union-attr]
    side = table["width"]
    for name, icon in table["icons"].items():
        box = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {icon.get("width", side)} {icon.get("height", side)}"'
        (folder / f"{name}.svg").write_text(f"<svg {box}>{icon['body']}</svg>")


@cache
def drawing(style: str, name: str, tone: str | None = None) -> Image.Image:
    """One drawing by its Unicode name ("man-cook"), RGBA of the picture's size, in a skin tone where it has one."""
    source = world().sources[style]
    stem = source.names.get(name, name + "{tone}")
    stem = stem.format(tone=source.tone.format(tone) if tone else "")
    return _render((fetch(style) / f"{stem}.svg").read_text())


def _render(svg: str) -> Image.Image:
    import resvg_py

    return Image.open(BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE)))).convert("RGBA")
