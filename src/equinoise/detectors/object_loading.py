"""From a name to an object detector: a captioner, a detector of given phrases, or a detector with its own labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from equinoise.detectors.boxes import LabelDetector, PhraseDetector
from equinoise.detectors.grounded import GroundedCaptioner
from equinoise.detectors.objects import ObjectDetector
from equinoise.errors import EquinoiseError, reason_of
from equinoise.models.worlds import EMOJI, MIXTURE
from equinoise.quiet import quiet_libraries

KOSMOS = "microsoft/kosmos-2-patch14-224"
THRESHOLDS = {"phrases": 0.1, "labels": 0.5}
"""Objects with a lower score are left out: the defaults of the pipelines of transformers."""


@dataclass(frozen=True)
class ObjectSpec:
    """What it takes to load an object detector.

    Attributes:
        name: `emoji`, a folder, or a hub name.
        phrases: the phrases to look for, for a detector of given phrases.
        threshold: least score of an object; None for the default of the kind of detector.
    """

    name: str
    phrases: tuple[str, ...] = ()
    threshold: float | None = None
    device: str = "cpu"


def object_folder(name: str) -> str:
    """The folder of an object detector; a hub name is returned unchanged."""
    return str(EMOJI / "objects") if name == "emoji" else name


def default_object_detector(model: str | None) -> str:
    """The object detector of the emoji model; for any other model Kosmos-2.

    Raises:
        EquinoiseError: the mixture, whose pictures are patterns without objects.
    """
    if model == MIXTURE:
        raise EquinoiseError("the mixture's pictures are patterns without objects; audit its axis house instead")
    return "emoji" if model == "emoji" or (model and (Path(model) / "world.json").is_file()) else KOSMOS


def load_object_detector(spec: ObjectSpec) -> ObjectDetector:
    """Load an object detector; safetensors only, no remote code.

    Raises:
        EquinoiseError: no such model, a model that finds no objects, missing phrases, or phrases that the model does
            not take.
    """
    folder = object_folder(spec.name)
    if spec.name == "emoji" and not Path(folder).is_dir():
        raise EquinoiseError("the packaged emoji model has no object detector; name one with --detector")
    try:
        with quiet_libraries():
            return _load(spec, folder)
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        reason = reason_of(error)
        raise EquinoiseError(f"cannot load object detector '{spec.name}': {reason}") from error


def _load(spec: ObjectSpec, folder: str) -> ObjectDetector:
    from transformers import AutoConfig
    from transformers.models.auto import modeling_auto as auto

    kind = AutoConfig.from_pretrained(folder).model_type
    if kind in auto.MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES:
        if not spec.phrases:
            raise EquinoiseError(f"{spec.name} looks for given phrases; give --phrases, such as 'a house,a hut'")
        threshold = THRESHOLDS["phrases"] if spec.threshold is None else spec.threshold
        return PhraseDetector(_pipeline("zero-shot-object-detection", folder, spec.device), spec.phrases, threshold)
    if spec.phrases:
        raise EquinoiseError(f"{spec.name} takes no phrases; leave out --phrases, or give OWLv2 or Grounding DINO")
    if kind in auto.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES:
        threshold = THRESHOLDS["labels"] if spec.threshold is None else spec.threshold
        return LabelDetector(_pipeline("object-detection", folder, spec.device), threshold)
    if kind == "kosmos-2":
        return _captioner(folder, spec.device)
    raise EquinoiseError(f"'{spec.name}' is a {kind}, which finds no objects; give Kosmos-2, OWLv2 or a DETR")


def _pipeline(task: str, folder: str, device: str) -> Any:
    from transformers import AutoImageProcessor, pipeline

    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    made: Any = pipeline(
        task,  # type: ignore[call-overload, unused-ignore]
        model=folder,
        image_processor=processor,
        device=device,
        dtype=torch.float32,
        model_kwargs={"use_safetensors": True},
    )
    return made


def _captioner(folder: str, device: str) -> GroundedCaptioner:
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, Kosmos2Processor

    model = AutoModelForImageTextToText.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).to(device)
    images = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return GroundedCaptioner(model, Kosmos2Processor(images, AutoTokenizer.from_pretrained(folder)))


def split_phrases(text: str | None) -> tuple[str, ...]:
    """`a house, a hut` → ("a house", "a hut").

    Raises:
        EquinoiseError: a phrase is empty or comes twice.
    """
    phrases: Sequence[str] = [part.strip() for part in text.split(",")] if text else []
    if not all(phrases) or len(set(phrases)) < len(phrases):
        raise EquinoiseError(f"--phrases {text}: give different phrases, such as 'a house,a hut'")
    return tuple(phrases)
