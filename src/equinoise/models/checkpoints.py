"""Pipelines on disk and on the hub: the class of a pipeline, and its weights, from safetensors only."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import torch

from equinoise.errors import EquinoiseError, reason_of
from equinoise.files import read_json
from equinoise.quiet import quiet_libraries

T = TypeVar("T")

INDEX = "model_index.json"
CONVERT = (
    "convert it once with the class of its family in diffusers, such as "
    "StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER), and give the FOLDER"
)
WEIGHTS = re.compile(r"(?:model|diffusion_pytorch_model)(?:\.([\w-]+?))?(?:-\d+-of-\d+)?\.safetensors")
"""The weights of a component, whole or in parts, with their variant."""
USE = "use emoji, mixture, a pipeline folder, or a hub name within reach"
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack")


def pipeline_class(name: str, revision: str | None = None) -> str:
    """The pipeline class that a folder's or a hub name's `model_index.json` names.

    Raises:
        EquinoiseError: no such model, a folder without one, a single-file checkpoint, weights that would have to be
            unpickled, or a pipeline with code of its own.
    """
    path = Path(name)
    if path.is_file():
        kind = "pickled" if path.suffix in PICKLED else "single-file"
        raise EquinoiseError(f"{path} is a {kind} checkpoint; {CONVERT}")
    if path.is_dir():
        if not (path / INDEX).is_file():
            single = next((file.name for file in sorted(path.glob("*.safetensors"))), None)
            hint = f" but {single}: if that is a single-file checkpoint, {CONVERT}" if single else ""
            raise EquinoiseError(f"{path} is not a diffusers pipeline: it has no model_index.json{hint}")
        if revision:
            raise EquinoiseError(f"--revision {revision} is for hub names; {path} is a folder, which has only one")
        _require_safetensors(path)

    index = read_json(path / INDEX if path.is_dir() else _fetched_index(name, revision))
    found = index.get("_class_name") if isinstance(index, dict) else None
    if isinstance(found, list):
        raise EquinoiseError(f"{name} is a pipeline with code of its own, which is never run; use a class of diffusers")
    if not isinstance(found, str):
        raise EquinoiseError(f"cannot load model '{name}': its {INDEX} names no class ({USE})")
    return found


def from_pretrained(name: str, dtype: str, revision: str | None, variant: str | None) -> Any:
    """The text-to-image pipeline of a folder or hub name, in the CPU's memory.

    Raises:
        EquinoiseError: the pipeline cannot be read.
    """
    local = Path(name).is_dir()

    def read() -> Any:
        from diffusers import AutoPipelineForText2Image

        return AutoPipelineForText2Image.from_pretrained(
            name,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=local,
            revision=revision,
            variant=variant,
        )

    pipeline = _reading(name, read, partial(_wrong_variant, name, revision, variant))
    _require_weights(name, pipeline)
    return pipeline


def _require_weights(name: str, pipeline: Any) -> None:
    """Check that every weight was in the files: what is missing there is without a value, and fails only when used."""
    for part, module in pipeline.components.items():
        if isinstance(module, torch.nn.Module):
            tensors = chain(module.named_parameters(), module.named_buffers())
            if lacking := next((key for key, tensor in tensors if tensor.is_meta), None):
                raise EquinoiseError(f"{name}: the weights of {part} lack {lacking}; download or save the model again")


def _wrong_variant(name: str, revision: str | None, variant: str | None) -> str | None:
    """What is wrong with the variant of weights that was asked for, with those that there are; None where it is there.

    diffusers takes the plain files of a component that has none of the variant.
    """
    found: dict[str, set[str | None]] = {}
    for file in map(PurePosixPath, _files(name, revision)):
        if match := WEIGHTS.fullmatch(file.name):
            found.setdefault(str(file.parent), set()).add(match[1])
    there = {each for kinds in found.values() for each in kinds}
    named = ", ".join(sorted(each for each in there if each))
    if variant and there and variant not in there:
        plain = "leave --variant out" if all(None in kinds for kinds in found.values()) else "give one of these"
        return f"it has no weights of variant '{variant}', only {named or 'plain ones'}; {plain}"
    lacking = next((part for part, kinds in found.items() if kinds.isdisjoint({None, variant})), None)
    return f"{lacking} has weights of variant {named} only; add --variant {named}" if lacking else None


def _files(name: str, revision: str | None) -> list[str]:
    """The files of a folder or hub name, relative to it; none where the hub does not say."""
    folder = Path(name)
    if folder.is_dir():
        return [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.safetensors"))]
    from huggingface_hub import HfApi

    try:
        return list(map(str, HfApi().list_repo_files(name, revision=revision)))
    except (OSError, ValueError):  # out of reach, private, or no name of the hub: the first error says so
        return []


def _fetched_index(name: str, revision: str | None) -> Path:
    """The `model_index.json` of a hub name, from the hub or its cache."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        with quiet_libraries():
            return Path(hf_hub_download(name, INDEX, revision=revision))
    except HFValidationError:
        why = "no such folder, and no hub name either"
    except GatedRepoError:
        why = "its licence must be accepted on the hub first, with an account that is logged in"
    except RevisionNotFoundError:
        why = f"the hub knows no revision '{revision}' of it"
    except RepositoryNotFoundError:
        why = "the hub knows no such name, or it is private"
    except LocalEntryNotFoundError:
        why = "the hub cannot be reached, and it is not in the cache"
    except EntryNotFoundError:
        why = f"it has no {INDEX}, so it is no pipeline; if it holds a single-file checkpoint, {CONVERT}"
    except (OSError, ValueError) as error:
        why = reason_of(error)
    raise EquinoiseError(f"cannot load model '{name}': {why} ({USE})")


def _reading(name: str, read: Callable[[], T], explain: Callable[[], str | None]) -> T:
    try:
        with quiet_libraries():
            return read()
    except Exception as error:  # diffusers, transformers and safetensors raise whatever comes where files are malformed
        if why := explain():
            raise EquinoiseError(f"cannot load model '{name}': {why}") from error
        reason = reason_of(error)
        raise EquinoiseError(f"cannot load model '{name}': {reason} ({USE})") from error


def _require_safetensors(folder: Path) -> None:
    """Refuse a component that exists in pickled form only; where both forms exist, safetensors is read."""
    for component in sorted(path for path in folder.iterdir() if path.is_dir()):
        pickled = sorted(path.name for path in component.iterdir() if path.suffix in PICKLED)
        if pickled and not any(component.glob("*.safetensors")):
            raise EquinoiseError(
                f"{component} holds pickled weights ({pickled[0]}), which are never read; "
                "save them as safetensors with save_pretrained"
            )
