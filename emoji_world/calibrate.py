"""The calibration that is packaged with the emoji detector: python -m emoji_world.calibrate

Gender is counted on generated images labelled by eye (`emoji_world.by_eye`). Tone and the axes of the scenes are
counted on fresh compositions that have been through the autoencoder, as generated pictures have: there the truth is
known without an eye, and the pictures are easier than generated ones. Eyes are no ruler for tone: two readers agree on
it in 79% of images, while the detector reads the tone that a prompt names in 98% of generated ones.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from emoji_world.by_eye import EYE
from emoji_world.drawing.compose import compose
from emoji_world.labels import SCENE_AXES
from emoji_world.measure.detector import shown
from emoji_world.scenes import sample_scene
from emoji_world.world import kinds, world
from equinoise import calibrate_detector
from equinoise.axes import load_axis
from equinoise.detectors.loading import detector_folder
from equinoise.files import read_json, write_json
from equinoise.models import load_model
from equinoise.models.pipeline import require_pipeline
from equinoise.run import Json
from equinoise.understanding.calibration import FILE

SEED = 7_700_000
PER_CLASS = 150


def main() -> None:
    """Write `calibration.json` beside the detector's weights, by the command that any user has."""
    target, kept = Path(detector_folder("emoji")), dict[str, Json]()
    with TemporaryDirectory() as scratch:
        for axis in ("gender", "tone", *SCENE_AXES):
            images = EYE if axis == "gender" else compositions(axis, Path(scratch) / f"{axis}-compositions")
            part = Path(scratch) / f"{axis}.json"
            found = calibrate_detector(images, axis, out=part, detector="emoji")
            kept[axis] = read_json(part)
            print(f"{axis}: n = {found.n}, unclear below {found.unclear_below:.2f}")
    write_json(target / FILE, kept)


def compositions(axis: str, folder: Path) -> Path:
    """Fresh pictures of every class of an axis, a sub-folder a class, decoded from their own latents."""
    rng, vae = np.random.default_rng(SEED), require_pipeline(load_model("emoji")).pipeline.vae
    names = load_axis(axis).classes
    made = dict.fromkeys(names, 0)
    where = [kind for kind in kinds() if axis in world().scenes[kind].axes]
    while min(made.values()) < PER_CLASS:
        scene = sample_scene(rng, where[int(rng.integers(len(where)))])
        name = shown(scene, axis)
        if name is None or made[name] == PER_CLASS:
            continue
        pixels = torch.from_numpy(np.asarray(compose(rng, scene).image).copy()).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            decoded = vae.decode(vae.encode(pixels / 127.5 - 1).latents).sample[0]
        seen = ((decoded + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(seen).save(folder / name / f"{made[name]}.png")
        made[name] += 1
    return folder


if __name__ == "__main__":
    main()
