"""One training loop for every part of the emoji model: AdamW, warm-up and cosine, EMA, checkpoints, resume.

What happens at step k depends on k alone (`batch(k)` seeds itself with it), so a resumed run goes on exactly where a
killed one stopped. A run with a time limit makes as many steps as it can and is not repeatable. Checkpoints are
safetensors, written whole or not at all.

Under `torchrun --nproc-per-node N` every process works on a batch of its own and all make one step, with the mean of
their gradients: on a CPU two processes of one thread are faster than one of two.
"""

from __future__ import annotations

import atexit
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rich.progress import Progress
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

CHECKPOINT_SECONDS = 120
EMA_DECAY = 0.999


@dataclass(frozen=True)
class Schedule:
    """Number of steps, peak learning rate, steps of linear warm-up; cosine decay to 2% after it.

    With `seconds` the decay follows the clock, and training ends when they are over, or the steps.
    """

    steps: int
    learning_rate: float
    warmup: int = 200
    seconds: float | None = None

    def at(self, step: int, elapsed: float = 0.0) -> float:
        """The learning rate of a step, `elapsed` seconds after the beginning."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = elapsed / self.seconds if self.seconds else (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def is_over(self, elapsed: float) -> bool:
        """Whether the time is up."""
        return self.seconds is not None and elapsed > self.seconds


class Batches(Dataset[Any]):
    """This process's batch for every step from the first one on, as a map-style dataset: loaders work ahead.

    Process r of N takes `batch(N * step + r)`.
    """

    def __init__(self, batch: Callable[[int], Any], first: int, last: int) -> None:
        self.batch, self.first, self.last = batch, first, last
        self.rank, self.processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Any:
        step = self.first + index
        return step, self.batch(step * self.processes + self.rank)


def train(
    module: nn.Module,
    batch: Callable[[int], Any],
    loss: Callable[[Any], Tensor],
    schedule: Schedule,
    checkpoint: Path,
    title: str,
    workers: int = 0,
) -> nn.Module:
    """Train `module` in place on `loss(batch(step))`; returns it with its averaged (EMA) weights loaded.

    `batch` runs in `workers` processes ahead of the training where there are any; it must not touch an accelerator.
    """
    _join()
    leads = not dist.is_initialized() or dist.get_rank() == 0
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True  # sizes never change
    parameters = list(module.parameters())
    fused = parameters[0].is_cuda
    optimiser = torch.optim.AdamW(
        parameters, lr=schedule.learning_rate, weight_decay=0.01, betas=(0.9, 0.98), fused=fused
    )
    average = {name: value.detach().clone() for name, value in module.state_dict().items()}
    first = _resume(checkpoint, module, optimiser, average)
    begun = saved = time.monotonic()
    running: Tensor | None = None
    step = first - 1
    module.train()
    batches = DataLoader(
        Batches(batch, first, schedule.steps), batch_size=None, num_workers=workers, collate_fn=_as_it_is,
        prefetch_factor=4 if workers else None,
    )  # fmt: skip
    with Progress(disable=not leads) as progress:
        bar = progress.add_task(title, total=schedule.steps, completed=first)
        for step, given in batches:
            elapsed = _agree(time.monotonic() - begun)
            if schedule.is_over(elapsed):
                break
            for group in optimiser.param_groups:
                group["lr"] = schedule.at(step, elapsed)
            value = loss(given)
            value.backward()  # type: ignore[no-untyped-call]
            _mean_gradients(parameters)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            _average(average, module, min(EMA_DECAY, (1 + step) / (10 + step)))
            running = value.detach() if running is None else running.lerp(value.detach(), 0.01)
            progress.update(bar, advance=1)
            if leads and step % 500 == 499:
                said = f"{title} step {step + 1} loss {running.item():.5f} after {elapsed:.0f} s"
                progress.console.print(f"{said} {time.strftime('%H:%M:%S')}")
            if leads and time.monotonic() - saved > CHECKPOINT_SECONDS:
                _save(checkpoint, module, optimiser, average, step + 1)
                saved = time.monotonic()
    if leads:
        _save(checkpoint, module, optimiser, average, step + 1)
    if dist.is_initialized():
        dist.barrier()  # one that ended before the last message of another would abort it
    module.load_state_dict(average)
    return module.eval()


def _join() -> None:
    """Under torchrun, find the other processes; they must begin alike: from one checkpoint or warm start."""
    if dist.is_torchelastic_launched() and not dist.is_initialized():
        dist.init_process_group()
        atexit.register(dist.destroy_process_group)


def _agree(elapsed: float) -> float:
    """The time of the first process, so that all processes stop at the same step."""
    if not dist.is_initialized():
        return elapsed
    clock = torch.tensor(elapsed)
    dist.broadcast(clock, 0)
    return clock.item()


def _mean_gradients(parameters: list[nn.Parameter]) -> None:
    """Of all processes, in place; one message for all of them."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = torch.split(flat / dist.get_world_size(), [gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view_as(g) for part, g in zip(parts, gradients, strict=True)])


def _as_it_is(batch: Any) -> Any:
    return batch


def load_average(checkpoint: Path, module: nn.Module) -> nn.Module:
    """The averaged weights of a checkpoint: to inspect a run that is under way, or as a warm start."""
    tensors = load_file(checkpoint)
    module.load_state_dict({k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")})
    return module.eval()


@torch.no_grad()
def _average(average: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    state = module.state_dict()
    floating = [name for name, value in state.items() if value.is_floating_point()]
    torch._foreach_lerp_([average[name] for name in floating], [state[name] for name in floating], 1 - decay)
    for name in state.keys() - set(floating):
        average[name].copy_(state[name])


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
