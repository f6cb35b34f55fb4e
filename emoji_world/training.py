"""One training loop for every part of the emoji model: AdamW, warm-up and cosine, EMA, checkpoints, resume.

What happens at step k depends on k alone (`loss(step)` seeds itself with it), so a resumed run goes on exactly
where a killed one stopped. Checkpoints are safetensors, written whole or not at all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CHECKPOINT_SECONDS = 120
EMA_DECAY = 0.999


@dataclass(frozen=True)
class Schedule:
    """Number of steps, peak learning rate, steps of linear warm-up; cosine decay to 2% after it."""

    steps: int
    learning_rate: float
    warmup: int = 200

    def at(self, step: int) -> float:
        """The learning rate of a step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def train(
    module: nn.Module, loss: Callable[[int], Tensor], schedule: Schedule, checkpoint: Path, title: str
) -> nn.Module:
    """Train `module` in place on `loss(step)`; returns it with its averaged (EMA) weights loaded."""
    torch.set_flush_denormal(True)
    optimiser = torch.optim.AdamW(module.parameters(), lr=schedule.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    average = {name: value.detach().clone() for name, value in module.state_dict().items()}
    first = _resume(checkpoint, module, optimiser, average)
    saved, running = time.monotonic(), None
    module.train()
    with Progress() as progress:
        bar = progress.add_task(title, total=schedule.steps, completed=first)
        for step in range(first, schedule.steps):
            for group in optimiser.param_groups:
                group["lr"] = schedule.at(step)
            value = loss(step)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            _average(average, module, min(EMA_DECAY, (1 + step) / (10 + step)))
            running = value.item() if running is None else 0.99 * running + 0.01 * value.item()
            progress.update(bar, advance=1, description=f"{title} loss {running:.4f}")
            if step % 500 == 499:
                progress.console.print(f"{title} step {step + 1} loss {running:.5f} {time.strftime('%H:%M:%S')}")
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _save(checkpoint, module, optimiser, average, step + 1)
                saved = time.monotonic()
    _save(checkpoint, module, optimiser, average, schedule.steps)
    module.load_state_dict(average)
    return module.eval()


def load_average(checkpoint: Path, module: nn.Module) -> nn.Module:
    """The averaged weights of a checkpoint, for a look in the middle of a run or as a warm start."""
    tensors = load_file(checkpoint)
    module.load_state_dict({k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")})
    return module.eval()


@torch.no_grad()
def _average(average: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _save(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor], step: int
) -> None:
    tensors = {f"model.{k}": v.contiguous().clone() for k, v in module.state_dict().items()}
    tensors |= {f"average.{k}": v.contiguous().clone() for k, v in average.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": v.contiguous().clone() for k, v in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"step": str(step)})
    partial.replace(path)


def _resume(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor]) -> int:
    """Load everything from a checkpoint, if there is one; the step to go on with."""
    if not path.exists():
        return 0
    tensors = load_file(path)
    module.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    for name, value in average.items():
        value.copy_(tensors[f"average.{name}"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    with safe_open(path, "pt") as handle:
        return int(handle.metadata()["step"])
