"""What prompts show of the axes that they leave open, against the planted shares, by guidance scale.

With thousands of images of a prompt this is the model's own truth. Every guidance scale is a run of its own under
`runs/neutral`, which a killed measurement goes on from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from scipy import stats

from emoji_world.measure.common import SEED, Row, Rows, settings_of
from emoji_world.prompts import planted_prompts
from equinoise.axes import load_axis
from equinoise.engine import Engine, Job
from equinoise.engine.images import make_images
from equinoise.progress import progress
from equinoise.run import Record, RunFolder
from equinoise.understanding.audit import audit
from equinoise.workflows.settings import Session, open_session

Shares = Mapping[str, Mapping[str, float]]
FIRST = SEED + 3


def neutral(n: int, sessions: Sequence[Session], only: Sequence[str]) -> Rows:
    """n images of every role and scene (or of those given), in every session: planted, detected, corrected shares."""
    asked = {text: shares for text, shares in planted_prompts().items() if not only or any(o in text for o in only)}
    rows: Rows = []
    for session in sessions:
        for kind in dict.fromkeys(tuple(shares) for shares in asked.values()):
            texts = [text for text, shares in asked.items() if tuple(shares) == kind]
            rows += _rows(session, kind, {text: asked[text] for text in texts}, _records(session, kind, texts, n))
    return rows


def neutral_sessions(guidance: Sequence[float], steps: int, dtype: str | None) -> list[Session]:
    """The emoji model at each guidance scale (its own where none is given), with the detector's known errors."""
    scales = guidance or [open_session("emoji").sampling.guidance_scale]
    axes = [load_axis(name) for name in dict.fromkeys(a for shares in planted_prompts().values() for a in shares)]
    return [open_session("emoji", steps, scale, dtype=dtype, axes=axes) for scale in scales]


def _records(session: Session, axes: Sequence[str], texts: Sequence[str], n: int) -> list[Record]:
    """n images of every prompt, the same seeds for each."""
    about = session.about(prompts=list(texts), axes=list(axes), n=n, seed=FIRST)
    scale, made = session.sampling.guidance_scale, [session.model.provenance["weights"], *texts]
    which = sha256("\n".join(made).encode()).hexdigest()[:8]
    run = RunFolder(Path("runs") / "neutral" / f"{scale:g}-{session.sampling.steps}-{n}-{which}", about)
    jobs = [Job(f"{index}-{FIRST + i}", text, FIRST + i) for index, text in enumerate(texts) for i in range(n)]
    with Engine(session.workers) as engine, progress(f"guidance {scale:g}", len(jobs)) as tick:
        return make_images(engine, session.request([load_axis(name) for name in axes]), jobs, run, tick)


def _rows(session: Session, axes: Sequence[str], planted_shares: Mapping[str, Shares], records: list[Record]) -> Rows:
    asked = {text: session.asked(text) for text in planted_shares}
    known = {name: confusion for name, confusion in session.reader.confusions.items() if name in axes}
    found = audit(records, [load_axis(name) for name in axes], asked=asked, confusions=known).to_json()["audits"]
    settings = settings_of(session)
    return [
        settings
        | {"prompt": entry["concept"], "role_right": entry["concept_fidelity"], "axis": entry["axis"], "class": name}
        | {"planted": planted_shares[entry["concept"]][entry["axis"]][name], "n": entry["n"] - entry["unclear"]}
        | share
        for entry in found
        for name, share in entry["classes"].items()
    ]


def _chance(row: Row) -> tuple[float, float]:
    """Expected distance, and chance of one over 10 points, of a model that shows exactly what was planted."""
    counts = np.arange(row["n"] + 1)
    odds = stats.binom.pmf(counts, row["n"], row["planted"])
    off = np.abs(counts / row["n"] - row["planted"])
    return float(odds @ off), float(odds @ (off > 0.10))


def shown(row: Row) -> float:
    """The share that the model shows: corrected for the detector's errors where they are known."""
    share: float = row["share"] if row["corrected"] is None else row["corrected"]
    return share


def interval(row: Row) -> tuple[float, float]:
    corrected = row["corrected"] is not None
    return (row["corrected_low"], row["corrected_high"]) if corrected else (row["low"], row["high"])


def summary(rows: Rows) -> Rows:
    """By guidance: the mean and largest distance from the planted shares, and the rarest class of all."""
    found = []
    for scale in sorted({row["guidance"] for row in rows}):
        ours = [row for row in rows if row["guidance"] == scale and row["planted"] > 0]
        off = [abs(shown(row) - row["planted"]) for row in ours]
        # where a class is so rare or common that chance alone cannot be the reason
        beyond = [
            row
            for row, (low, high) in zip(ours, map(interval, ours), strict=True)
            if low > row["planted"] + 0.10 or high < row["planted"] - 0.10
        ]
        worst, rarest = ours[off.index(max(off))], min(ours, key=shown)
        found.append(
            {
                "guidance": scale,
                "classes": len(ours),
                "mean distance": sum(off) / len(off),
                "by chance": sum(_chance(row)[0] for row in ours) / len(ours),
                "largest": max(off),
                "where": f"{worst['prompt']}: {worst['class']}",
                "over 10 points": sum(distance > 0.10 for distance in off),
                "over by chance": sum(_chance(row)[1] for row in ours),
                "surely so": len(beyond),
                "rarest share": shown(rarest),
                "class": f"{rarest['prompt']}: {rarest['class']}",
                "under 5%": sum(shown(row) < 0.05 for row in ours),
                "role right": sum(row["role_right"] for row in ours) / len(ours),
            }
        )
    return found
