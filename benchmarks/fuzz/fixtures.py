"""The files that are changed: small ones of every kind, made once, as the commands themselves make them."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from equinoise.cli.app import app
from equinoise.cli.console import run_app
from equinoise.cli.stopping import INTERRUPTED
from equinoise.directions.direction import DirectionSet
from equinoise.run import RunFolder
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.plan import Part, Plan
from equinoise.workflows.collecting import TraceFolder

DOCTOR = ("--concept", "a photo of a doctor")
GENDER = ("--axis", "gender")
ALONE = ("--workers", "1")
STEPS = ("--steps", "4")

TEXTS = {
    "labels.csv": "concept,axis,class,count\na nurse,gender,woman,40\na nurse,gender,man,10\na nurse,hat,hat,9\n"
    "a nurse,hat,bare,3\na pilot,gender,man,8\na pilot,gender,unclear,1\na pilot,gender,woman,2\na pilot,hat,hat,2\n",
    "reference.csv": "concept,axis,class,share\na nurse,gender,woman,0.8\na nurse,gender,man,0.2\na pilot,gender,woman,"
    "0.5\na pilot,gender,man,0.5\n",
    "shares.csv": "concept,axis,class,share\na photo of a doctor,gender,woman,0.4\na photo of a doctor,gender,man,0.6\n"
    "a photo of a nurse,gender,woman,0.8\na photo of a nurse,gender,man,0.2\n",
    "joint.csv": "gender,age,share\nwoman,child,0.2\nwoman,adult,0.2\nwoman,elder,0.1\nman,child,0.1\nman,adult,0.2\n"
    "man,elder,0.2\n",
    "confusion.csv": "true,predicted,count,unclear_below\nwoman,woman,180,0.6\nwoman,man,16,0.6\nwoman,unclear,4,0.6\n"
    "man,man,195,0.6\nman,woman,5,0.6\n",
    "confusion.json": '{"axis": "gender", "confusion": {"woman": {"woman": 18, "man": 1, "unclear": 1}, '
    '"man": {"woman": 2, "man": 17, "unclear": 1}}, "n": 40, "unclear_below": 0.6, '
    '"about": {"detector": "emoji", "images": "sorted"}}',
    "hat.toml": '[hat]\nordered = false\nnouns = ["doctor", "nurse"]\n'
    'classes.hat = { generate = ["a person in a hat"], detect = ["a person in a hat", "a hat"], words = ["hat"], '
    'behind = "in a hat" }\n'
    'classes.bare = { generate = ["a person"], detect = ["a person"], before = "bare", '
    'instead = { person = "human" } }\n',
    "attributes.txt": "doctor = a photo of a doctor\n# people\nwoman = a photo of a woman doctor\nman\n",
    "attributes.toml": '[woman]\nprompt = "a photo of a woman doctor"\nshown = ["gender:woman"]\n\n[man]\n'
    'shown = ["gender:man", "suit"]\n',
    "reference.txt": "a person\na doctor\na teacher\na farmer\n",
    "merge.csv": "phrase,name\na house,house\na hut,house\n",
    "detector.toml": 'model = "emoji"\nkind = "zero-shot"\nnone = false\n',
}
"""Files of text that commands read."""


def make_fixtures(root: Path) -> Path:
    """All of them, a folder for each group that is copied together.

    Raises:
        RuntimeError: a command failed.
    """
    for make in (_tables, _folders, _run, _begun, _traces, _begun_traces, _study, _pipeline):
        folder = root / make.__name__.strip("_")
        folder.mkdir(parents=True)
        with contextlib.chdir(folder):
            make(folder)
    return root


def _tables(folder: Path) -> None:
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    _folders(folder)
    for name in ("woman", "man"):
        _pictures(folder / "sorted" / name, 2)
    (folder / "audit.json").write_text(_command("audit", "labels.csv", *GENDER, "--json"))


def _folders(folder: Path) -> None:
    """Labelled pictures with either kind of metadata, and some without."""
    rows = [(f"{index}.png", "a nurse", label, 5 + index) for index, label in enumerate(("woman", "man", "unclear"))]
    for kind in ("csv", "jsonl", "plain"):
        _pictures(folder / kind, len(rows))
    lines = ["file_name,prompt,gender,seed", *(f"{file},{text},{label},{seed}" for file, text, label, seed in rows)]
    (folder / "csv" / "metadata.csv").write_text("\n".join(lines) + "\n")
    json_lines = [
        f'{{"file_name": "{file}", "prompt": "{text}", "gender": "{label}", "seed": {seed}}}\n'
        for file, text, label, seed in rows
    ]
    (folder / "jsonl" / "metadata.jsonl").write_text("".join(json_lines))


def _pictures(folder: Path, n: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(folder.name))
    for index in range(n):
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(folder / f"{index}.png")


def _run(folder: Path) -> None:
    _command("audit", "mixture", *DOCTOR, *GENDER, "-n", "4", *ALONE, "-o", "run")
    _command("audit", "mixture", *DOCTOR, *GENDER, "-n", "4", "--seed", "7", *ALONE, "-o", "other")


def _begun(folder: Path) -> None:
    """A run that was cut off before its last file."""
    _folders(folder)
    with mock.patch.object(RunFolder, "finish", side_effect=KeyboardInterrupt):
        _command("audit", "csv", *GENDER, "-o", "run", code=INTERRUPTED)


def _traces(folder: Path) -> None:
    _command("collect", "mixture", *GENDER, "-n", "4", "--capture", "0,2", *ALONE, *STEPS, "-o", "traces")
    _command("fit", "traces", "-o", "directions.safetensors", "--estimator", "paired", "--permutations", "1")
    found = DirectionSet.load("directions.safetensors").named("woman", 0)
    parts = (Part(Intervention(()), 0.25), Part(Intervention((Shift(found, 2.0),)), 0.75))
    shares = {"gender": {"woman": 0.5, "man": 0.5}}
    Plan(
        "a photo of a doctor", shares, parts, seeds=(1, 2), provenance={"model": dict(found.terms[0].origin.model)}
    ).save("plan.safetensors")
    _command("export-direction", "directions.safetensors:woman@0", "-o", "direction.npy")


def _begun_traces(folder: Path) -> None:
    with mock.patch.object(TraceFolder, "finish", side_effect=KeyboardInterrupt):
        collected = ("collect", "mixture", *GENDER, "-n", "2", "--capture", "0", *ALONE, *STEPS, "-o", "traces")
        _command(*collected, code=INTERRUPTED)


def _study(folder: Path) -> None:
    (folder / "attributes.txt").write_text("woman = a photo of a woman doctor\nman = a photo of a man doctor\n")
    asked = ("--attributes", "attributes.txt", "--objects", "emoji", "-n", "4", "--each", "2")
    _command("understand", "mixture", *DOCTOR, *asked, *ALONE, "-o", "run")
    _command("detect", "run", "--objects", "--detector", "emoji")
    (folder / "run" / "report.html").unlink()
    (folder / "merge.csv").write_text(TEXTS["merge.csv"])


def _pipeline(folder: Path) -> None:
    """A Stable Diffusion of the real classes with random weights, and a LoRA of it."""
    torch.manual_seed(0)
    with contextlib.redirect_stderr(io.StringIO()):
        made = tiny_pipeline()
        made.save_pretrained(folder / "model")
        _save_lora(made, folder / "lora")


def tiny_pipeline() -> Any:
    """Latents of 4 × 8 × 8, and letters for words."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    down, up = ("DownEncoderBlock2D",) * 2, ("UpDecoderBlock2D",) * 2
    return StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8), norm_num_groups=4, sample_size=16, down_block_types=down, up_block_types=up
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(vocab_size=len(tokens), max_position_embeddings=16, **sizes, **ends)),
        tokenizer=CLIPTokenizer({token: index for index, token in enumerate(tokens)}, [], model_max_length=16),
        unet=UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
            cross_attention_dim=16,
        ),
        scheduler=EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _save_lora(pipeline: Any, folder: Path) -> None:
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    type(pipeline).save_lora_weights(folder, unet_lora_layers=get_peft_model_state_dict(pipeline.unet))


def _command(*arguments: str, code: int = 0) -> str:
    """Run a command that must end so; what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        ended = run_app(app, list(arguments))
    if ended != code:
        raise RuntimeError(f"{' '.join(arguments)} ended with {ended}: {err.getvalue()}")
    return out.getvalue()
