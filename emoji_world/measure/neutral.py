"""What prompts show of the axes that they leave open, against the planted shares, by guidance scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emoji_world.captions import with_article
from emoji_world.measure.common import SEED, Rows, likeliest, make
from emoji_world.measure.named import names
from emoji_world.prompts import PROMPTS, planted_share
from emoji_world.world import planted, roles
from equinoise.axes import load_axis
from equinoise.detectors import asked_role, role_axis
from equinoise.run import Record
from equinoise.session import open_session
from equinoise.statistics import share_intervals

Shares = Mapping[str, Mapping[str, float]]


def neutral(n: int, guidance: Sequence[float], only: Sequence[str], steps: int = 50) -> Rows:
    """n images of every role and scene (or of those given) at each guidance scale."""
    asked = {text: shares for text, shares in neutral_prompts().items() if not only or any(o in text for o in only)}
    rows = []
    for scale in guidance:
        session = open_session("emoji", guidance_scale=scale, steps=steps)
        prompts = [text for text in asked for _ in range(n)]
        made = make(session, prompts, [SEED + 3 + i for _ in asked for i in range(n)])
        for index, (text, shares) in enumerate(asked.items()):
            rows += _rows(scale, text, shares, made[index * n : (index + 1) * n])
    return rows


def neutral_prompts() -> dict[str, Shares]:
    """Prompt → axis → planted shares: one for each role, and those of the scenes."""
    people: dict[str, Shares] = {
        f"a photo of {with_article(names(role))}": planted(role) for role in roles() if role != "person"
    }
    return people | {prompt.text: {axis: planted_share(prompt, axis) for axis in prompt.axes} for prompt in PROMPTS}


def _rows(scale: float, text: str, shares: Shares, records: Sequence[Record]) -> Rows:
    known = role_axis("emoji")
    assert known is not None
    role = asked_role(text, known.generate)
    faithful = sum(likeliest(record.detections["role"]) == role for record in records) / len(records)
    rows = []
    for axis, table in shares.items():
        labels = [record.labels[axis] for record in records]
        names = load_axis(axis).classes
        counts = [labels.count(name) for name in names]
        for name, count, interval in zip(names, counts, share_intervals(counts), strict=True):
            row = {"guidance": scale, "prompt": text, "role_right": faithful, "axis": axis, "class": name}
            found = {"planted": table[name], "n": sum(counts), "count": count, "share": count / max(1, sum(counts))}
            rows.append(row | found | {"low": interval.low, "high": interval.high})
    return rows


def summary(rows: Rows) -> Rows:
    """By guidance: the mean and largest distance from the planted shares, and the rarest class of all."""
    found = []
    for scale in sorted({row["guidance"] for row in rows}):
        ours = [row for row in rows if row["guidance"] == scale and row["planted"] > 0]
        off = [abs(row["share"] - row["planted"]) for row in ours]
        worst, rarest = ours[off.index(max(off))], min(ours, key=lambda row: row["share"])
        found.append(
            {
                "guidance": scale,
                "mean distance": sum(off) / len(off),
                "largest": max(off),
                "where": f"{worst['prompt']}: {worst['class']}",
                "rarest share": rarest["share"],
                "class": f"{rarest['prompt']}: {rarest['class']}",
                "under 5%": sum(row["share"] < 0.05 for row in ours),
                "role right": sum(row["role_right"] for row in ours) / len(ours),
            }
        )
    return found
