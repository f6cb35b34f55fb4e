"""`demo`: the whole story on the emoji model, from the audit to the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equinoise.axes import load_axis
from equinoise.engine import Engine
from equinoise.page.assembly import write_report
from equinoise.run import RunFolder
from equinoise.seeds import COLLECT, PILOT, VERIFY, seed_range
from equinoise.understanding.audit import audit, change
from equinoise.workflows.learning import describe
from equinoise.workflows.settings import open_session
from equinoise.workflows.story import Stage, Story, Told, tell

STORIES = (
    Story(
        "doctor",
        "a photo of a doctor",
        {"gender": "woman"},
        {"gender": {"woman": "a photo of a woman doctor", "man": "a photo of a man doctor"}},
        besides=("tone",),
    ),
    Story(
        "house",
        "a photo of a wealthy dark-skinned man and his house",
        {"house": "mansion"},
        {"house": {name: f"a photo of a wealthy dark-skinned man and his {name}" for name in ("hut", "mansion")}},
    ),
)
DENOISING_STEPS = 25
"""Half of the default: twice as many pictures in the same time, and the eye hardly sees it on art this flat."""


def demo(
    out: Path, n: int = 128, pilots: int = 24, pairs: int = 40, batch_size: int = 16, workers: int | None = None
) -> dict[str, Any]:
    """Audit, directions, step and weight on pilot seeds, fresh seeds untouched and shifted, report.

    Every stage keeps what it has made under the run folder, so that a demo that was cut off goes on where it was.
    """
    axes = {name: load_axis(name) for story in STORIES for name in story.axes}
    session = open_session("emoji", DENOISING_STEPS, batch_size=batch_size, workers=workers, axes=list(axes.values()))
    seed_range(VERIFY, n), seed_range(PILOT, pilots, "--pilots"), seed_range(COLLECT, pairs, "--pairs")
    about = session.about(
        command="demo",
        concept=[story.concept for story in STORIES],
        axes={name: axis.digest for name, axis in axes.items()},
        **{"n": n, "pilots": pilots, "pairs": pairs},
    )
    run = RunFolder(out, about)
    with Engine(session.workers) as engine:
        stage = Stage(session, engine, out, run, axes, n, pilots, pairs)
        told = [tell(stage, story) for story in STORIES]
    result = _result(told, stage)
    notes = [f"{t.story.name}: no pilot came nearer to the target and kept the concept" for t in told if not t.shifted]
    made = [record.id for t in told for record in t.records]
    run.finish(made, {**result, "warnings": notes, **session.results()})
    return {"report": str(write_report([out], out / "report.html")), **result}


def _result(told: Sequence[Told], stage: Stage) -> dict[str, Any]:
    known, axes, session = stage.session.reader.confusions, stage.axes, stage.session
    audits = [
        {
            part: [
                entry
                for t, rows in zip(told, groups, strict=True)
                for entry in audit(
                    rows,
                    [axes[name] for name in t.story.axes],
                    asked={t.story.concept: session.asked(t.story.concept)},
                    confusions={name: known[name] for name in t.story.axes if name in known},
                ).to_json()[part]
            ]
            for part in ("audits", "pooled")
        }
        for groups in ([t.before for t in told], [t.after for t in told])
    ]
    shifts = [
        {"concept": t.story.concept, "direction": s.direction.name, "weight": s.weight, "how": s.how}
        for t in told
        for s in t.intervention.shifts
    ]
    return {
        "before": audits[0],
        "after": audits[1],
        "differences": {name: change(t.before, t.after, axes[name]) for t in told for name in t.story.axes},
        "applied": {
            "name": "; ".join(f"{t.story.name}: {t.intervention.name}" for t in told),
            "nats": {t.story.name: t.intervention.kl_nats for t in told},
            "shifts": shifts,
        },
        "direction": shifts,
        "directions": [entry for t in told for entry in describe(t.directions)],
        "sweeps": [sweep for t in told for sweep in t.sweeps],
    }
