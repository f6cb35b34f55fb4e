"""Adapters: several at once, names that clash, and files that hold only part of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import load_folder
from safetensors.torch import load_file, save_file
from tiny_pipelines import save_lora

from equinoise import EquinoiseError

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def lora(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_lora(load_folder(tiny).pipeline, tmp_path_factory.mktemp("lora"))
    return next(folder.glob("*.safetensors"))


def without(part: str, tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if part not in name}


def each(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name: change(tensor) for name, tensor in tensors.items()}


@pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute")
def test_adapters_of_one_file_name_are_both_taken(tiny: Path, lora: Path, tmp_path: Path) -> None:
    files = [tmp_path / folder / name for folder in "ab" for name in ("my-style.safetensors", "half.safetensors")]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        shutil.copy(lora, file)
    adapters = load_folder(tiny, adapters=tuple(map(str, files))).provenance["adapters"]
    assert [adapter["name"] for adapter in adapters] == ["half_2", "half_3", "my_style", "my_style_2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: without("lora_A", tensors), "holds only part of its weights"),
        (lambda tensors: dict(list(tensors.items())[1:]), "holds only part of its weights"),
        (lambda tensors: without("lora_B", tensors), "cannot load adapter"),
        (lambda tensors: without("lora", tensors), "has no weights for this model"),
        (lambda _: {"unet.elsewhere.lora_A.weight": torch.zeros(2, 2)}, "cannot load adapter|has no weights"),
        (each(lambda tensor: tensor * float("nan")), "holds infinities or NaN"),
        (each(lambda tensor: tensor.to(torch.int8)), "cannot load adapter"),
        (each(lambda tensor: tensor[:, :1].contiguous()), "cannot load adapter"),
        (each(lambda tensor: tensor.reshape(-1)), "cannot load adapter"),
        (each(lambda tensor: tensor[:0]), "cannot load adapter"),
    ],
)
def test_malformed_adapters_are_refused_in_one_line(
    change: Callable[[Tensors], Tensors], message: str, tiny: Path, lora: Path, tmp_path: Path
) -> None:
    save_file(change(load_file(lora)), file := tmp_path / "broken.safetensors")
    with pytest.raises(EquinoiseError, match=message) as refused:
        load_folder(tiny, adapters=(str(file),))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 8 + b"{}", b"\x02" + b"\0" * 7 + b"{}", b"cut"])
def test_what_is_no_adapter(content: bytes, tiny: Path, lora: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(lora.read_bytes()[:-10] if content == b"cut" else content)
    with pytest.raises(EquinoiseError, match="cannot load adapter|has no weights for this model"):
        load_folder(tiny, adapters=(str(file),))


def test_variants_that_there_are_not(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline: Any = load_folder(tiny).pipeline
    pipeline.save_pretrained(half := tmp_path / "half", variant="fp16", max_shard_size="20KB")
    for folder, variant, message in [
        (tiny, "fp16", "has no weights of variant 'fp16', only plain ones; leave --variant out"),
        (half, None, "has weights of variant fp16 only; add --variant fp16"),
        (half, "bf16", "has no weights of variant 'bf16', only fp16; give one of these"),
    ]:
        with pytest.raises(EquinoiseError, match=message) as refused:
            load_folder(folder, variant=variant)
        assert "\n" not in str(refused.value)
    assert load_folder(half, variant="fp16").provenance["variant"] == "fp16"
