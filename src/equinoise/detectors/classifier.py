"""Image classifiers of transformers, read by a mapping from their labels to an axis's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from equinoise.axes import Axis
from equinoise.detectors.declaring import Labels
from equinoise.encoders.base import SAFE, loading
from equinoise.errors import EquinoiseError


class ClassifierDetector:
    """The probability of a class is the sum over the labels mapped to it; other labels are of no class."""

    def __init__(self, model: Any, processor: Any, labels: Labels) -> None:
        """`labels`: axis → the model's labels and the class that each is mapped to."""
        self.model = model.eval()
        self.processor = processor
        self.labels: Mapping[str, Mapping[str, str]] = {axis: dict(pairs) for axis, pairs in labels}

    @classmethod
    def from_pretrained(cls, name: str, labels: Labels, device: str = "cpu") -> ClassifierDetector:
        """Load from a folder or a hub name; safetensors only.

        Raises:
            EquinoiseError: no such model, one that is no classifier, or one with several labels for one image.
        """
        with loading("detector", name):
            from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

            config = AutoConfig.from_pretrained(name, trust_remote_code=False)
            heads = [str(architecture) for architecture in config.architectures or []]
            if not any(head.endswith("ForImageClassification") for head in heads):
                raise ValueError(f"it is a {', '.join(heads) or config.model_type}, not an image classifier")
            if config.problem_type == "multi_label_classification" or config.num_labels < 2:
                raise ValueError("it does not choose one label of several")
            model = AutoModelForImageClassification.from_pretrained(name, **SAFE).to(device)
            return cls(model, AutoImageProcessor.from_pretrained(name, backend="pil", trust_remote_code=False), labels)

    @torch.inference_mode()
    def probabilities(self, images: Sequence[Image.Image], axis: Axis) -> NDArray[np.float64]:
        """(n, classes): the rest of a row to 1 is the probability of labels that are mapped to no class.

        Raises:
            EquinoiseError: the mapping lacks the axis or one of its classes, or names labels that the model lacks.
        """
        chosen = self._matrix(axis)
        pixels = self.processor([image.convert("RGB") for image in images], return_tensors="pt").pixel_values
        logits = self.model(pixels.to(self.model.device)).logits
        found: NDArray[np.float64] = logits.double().softmax(dim=-1).cpu().numpy() @ chosen
        return found

    def _matrix(self, axis: Axis) -> NDArray[np.float64]:
        """(labels, classes): 1 where a label is mapped to a class."""
        mapping = self.labels.get(axis.name)
        if mapping is None:
            raise EquinoiseError(f"the detector's mapping has no axis '{axis.name}'; it has {', '.join(self.labels)}")
        names = [str(self.model.config.id2label[index]) for index in range(self.model.config.num_labels)]
        strange = next((label for label in mapping if label not in names), None)
        if strange is not None:
            raise EquinoiseError(f"the detector has no label '{strange}'; its labels are {', '.join(names)[:160]}")
        lacking = [label for label in axis.classes if label not in mapping.values()]
        if lacking:
            raise EquinoiseError(f"no label of the detector stands for '{lacking[0]}' of axis '{axis.name}'")
        matrix = np.zeros((len(names), len(axis.classes)))
        for label, stands_for in mapping.items():
            matrix[names.index(label), axis.classes.index(axis.require(stands_for))] = 1
        return matrix
