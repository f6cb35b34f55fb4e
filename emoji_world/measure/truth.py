"""The model's own truth: shares of a few prompts over thousands of seeds, corrected for the detector's error.

Every prompt and guidance scale is a run of its own under `runs/truth`, which a killed measurement goes on from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from emoji_world.measure.common import SEED, Rows
from emoji_world.measure.neutral import neutral_prompts
from equinoise.axes import load_axis
from equinoise.console import progress
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.run import RunFolder
from equinoise.session import open_session
from equinoise.understanding import audit

MAIN = (
    "a photo of a doctor",
    "a photo of an engineer",
    "a photo of a teacher",
    "a photo of a wealthy dark-skinned man and his house",
    "a picture of a wedding",
    "a picture of a waterbird",
)
FIRST = SEED + 100_000


def truth(n: int, guidance: Sequence[float], prompts: Sequence[str], steps: int) -> Rows:
    """n images of each prompt at each guidance scale: detected and corrected shares with intervals."""
    rows, known = [], neutral_prompts()
    for scale in guidance:
        for prompt in prompts:
            planted = known[prompt]
            axes = [load_axis(name) for name in planted]
            session = open_session("emoji", guidance_scale=scale, steps=steps, axes=axes)
            jobs = [Job(str(FIRST + i), prompt, FIRST + i) for i in range(n)]
            folder = Path("runs") / "truth" / f"{re.sub('[^a-z]+', '-', prompt)}-{scale:g}-{steps}"
            run = RunFolder(folder, session.about(concept=prompt, n=n, seed=FIRST))
            with Engine(session.workers) as engine, progress(f"{prompt}, guidance {scale:g}", n) as tick:
                records = make_images(engine, session.request(axes), jobs, run, tick)
            asked = {prompt: session.asked(prompt)}
            found = audit(records, axes, asked=asked, confusions=session.reader.confusions).to_json()["audits"]
            for entry in found:
                for name, share in entry["classes"].items():
                    about = {"guidance": scale, "steps": steps, "prompt": prompt, "axis": entry["axis"], "class": name}
                    counts = {"planted": planted[entry["axis"]][name], "n": n, "unclear": entry["unclear"]}
                    rows.append(about | counts | share | {"role_right": entry["concept_fidelity"]})
    return rows
