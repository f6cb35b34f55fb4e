"""Options that several commands share, as dataclasses whose fields a command takes as if they were its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from equinoise.cli import arguments

if TYPE_CHECKING:
    from equinoise.engine import Engine
    from equinoise.runtime.detector import DetectorSettings
    from equinoise.runtime.model import Model as LoadedModel

Model = Annotated[str, typer.Argument(help="emoji, mixture, a pipeline folder, or a hub name")]
Concept = Annotated[str, typer.Option("--concept", help="neutral prompt")]
Concepts = Annotated[list[str], typer.Option("--concept", help="neutral prompt; may be repeated")]
Axes = Annotated[list[str], typer.Option("--axis", help="axis by name, or a .toml file; may be repeated")]
OneAxis = Annotated[str, typer.Option("--axis", help="axis by name, or a .toml file")]
Crosses = Annotated[
    list[str] | None, typer.Option("--cross", help="the intersection of axes as well, such as gender,tone")
]
Targets = Annotated[list[str] | None, typer.Option("--target", help="AXIS=uniform or AXIS=CLASS:P,…")]
Out = Annotated[Path, typer.Option("-o", "--out", help="where the result goes; a run that was cut off goes on there")]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="a plan: which image gets which intervention")]
MaybeOut = Annotated[Path | None, typer.Option("-o", "--out", help="run folder; without it nothing is kept")]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", help="CLASS=TEXT, in place of the prompt made from the concept; may be repeated"),
]
Detector = Annotated[
    str | None,
    typer.Option("--detector", help="emoji, mixture, a CLIP or SigLIP, classifier:NAME?map=FILE, or a .toml file"),
]
Unclear = Annotated[
    float | None,
    typer.Option(
        "--unclear-below",
        help="an image whose best class is less probable is unclear; default: as calibrated, else 0.6",
    ),
]
Confusions = Annotated[
    list[Path] | None, typer.Option("--confusion", help="CSV true,predicted,count, or what calibrate-detector made")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or mps")]
Json = Annotated[bool, typer.Option("--json", help="the result as one JSON object on stdout")]


@dataclass(frozen=True)
class ModelOptions:
    """How a model is run."""

    steps: Annotated[
        int | None, typer.Option("--steps", help="denoising steps; default: the pipeline's own, 50 for SD 1, 2 and XL")
    ] = None
    guidance_scale: Annotated[float | None, typer.Option("--guidance-scale", help="default: the model's own")] = None
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="such as DDIM, DPMSolverMultistep+karras or 'Euler a'")
    ] = None
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, mps, or auto: the best there is")] = "cpu"
    dtype: Annotated[str | None, typer.Option("--dtype", help="float32, float16 or bfloat16")] = None
    revision: Annotated[str | None, typer.Option("--revision", help="branch, tag or commit of a hub name")] = None
    variant: Annotated[str | None, typer.Option("--variant", help="of the weights' files, such as fp16")] = None
    offload: Annotated[
        str, typer.Option("--offload", help="none, model or sequential: what waits in the CPU's memory")
    ] = "none"
    adapter: Annotated[
        list[str] | None, typer.Option("--adapter", help="LoRA file, folder or hub name; may be repeated")
    ] = None
    size: Annotated[str | None, typer.Option("--size", help="HEIGHTxWIDTH in pixels; default: the model's own")] = None
    workers: Annotated[
        int | None, typer.Option("--workers", help="one-thread processes on a CPU; default: the cores")
    ] = None
    batch_size: Annotated[
        str, typer.Option("--batch-size", help="fixed compute batch, part of the result; auto: as large as fits a GPU")
    ] = "16"
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print images, denoiser calls and time, and do nothing")
    ] = False

    def given(self, but: Sequence[str] = ()) -> dict[str, object]:
        """The options that are not as they are by default, by their flag."""
        changed = [f for f in fields(self) if getattr(self, f.name) != f.default and f.name not in but]
        return {f"--{f.name.replace('_', '-')}": getattr(self, f.name) for f in changed}

    def load(self, model: str, detector: DetectorSettings | None = None) -> LoadedModel:
        """The model with these settings."""
        from equinoise.runtime.model import load

        return load(
            model,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            scheduler=self.scheduler,
            device=self.device,
            dtype=self.dtype,
            size=arguments.size(self.size),
            adapters=self.adapter or (),
            revision=self.revision,
            variant=self.variant,
            offload=None if self.offload == "none" else self.offload,
            batch_size=arguments.batch_size(self.batch_size),
            detector=detector,
        )

    def engine(self, model: LoadedModel) -> Engine:
        """This machine, with as many workers as were asked for."""
        from equinoise.engine import Engine

        return Engine(self.workers, model.spec.device)


def detector_settings(
    detector: str | None, unclear_below: float | None = None, confusion: Sequence[Path] | None = None
) -> DetectorSettings | None:
    """What the flags of a detector ask for; None where none is given."""
    from equinoise.runtime.detector import DetectorSettings

    if detector is None and unclear_below is None and not confusion:
        return None
    return DetectorSettings(detector, unclear_below, tuple(confusion or ()))


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Let typer see the fields of a command's dataclass parameters as options: it has no groups of its own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    own = [
        p.replace(annotation=hints[p.name])
        for p in inspect.signature(command).parameters.values()
        if p.name not in groups
    ]
    shared = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=types[f.name])
        for group in groups.values()
        for types in [get_type_hints(group, include_extras=True)]
        for f in fields(group)
    ]
    parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *shared]

    @functools.wraps(command)
    def spread_out(**given: Any) -> None:
        made = {name: group(**{f.name: given.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        command(**given, **made)

    spread_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread_out.__annotations__ = {p.name: p.annotation for p in parameters}
    del spread_out.__wrapped__  # its signature is no longer the command's
    return spread_out
