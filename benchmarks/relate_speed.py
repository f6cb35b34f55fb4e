"""How long relations with many attributes take: encoded once in batches, one at a time, and as the authors do.

    python -m benchmarks.relate_speed [--model emoji|clip-b32] [--device cuda]    a minute or two on one core

The same work in every row: the cosine of the concept with each attribute in 20 wordings (TERU), and the mean cosine of
the concept's images with each attribute's (VERU). The ways:

- `authors`: as in the scripts of Lopez Olmos et al. (2024), where every attribute is a run: models are loaded for each,
  and each text and image of the pair goes through them by itself;
- `pairs`: models loaded once, each pair's texts and images one at a time;
- `one at a time`: models loaded once, each text and image once, one at a time: all that batches can still gain on;
- `equinoise`: what `equinoise relate` calls.

Loading counts in every row. All cosines are compared, and more than 1e-4 apart is an error. `clip-b32` has the true
size of CLIP ViT-B/32 with random weights; the time does not depend on their values. The least of `--repeats` runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import keep
from emoji_world.tables import RESULTS, Row, show
from equinoise.encoders import ClipEncoder, Encoder, ImageEncoder, TextEncoder
from equinoise.models.worlds import EMOJI
from equinoise.prompts import subject
from equinoise.quiet import quiet_libraries
from equinoise.understanding.relations import encode_images, encode_texts
from equinoise.understanding.wordings import WORDINGS, read_attributes

CONCEPT = "a photo of a wealthy dark-skinned man and his house"
ATTRIBUTES = Path(__file__).parents[1] / "examples" / "house_attributes.toml"
Array = NDArray[np.float64]
Load = Callable[[], tuple[Encoder, ImageEncoder]]


@dataclass(frozen=True)
class Work:
    """What is related: phrases, and images of the concept (m) and of each attribute (k of m)."""

    concept: str
    attributes: tuple[str, ...]
    images: Sequence[Image.Image]
    of_attributes: Sequence[Sequence[Image.Image]]


@dataclass(frozen=True)
class Cosines:
    """(wordings, k) of texts, and (k,) of images."""

    text: Array
    vision: Array


def the_work(m: int, side: int) -> Work:
    """The attributes of the paper's example, with images of noise."""
    rng = np.random.default_rng(0)
    phrases = tuple(entry.phrase for entry in read_attributes(ATTRIBUTES, CONCEPT))

    def noise() -> list[Image.Image]:
        return [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(m)]

    return Work(subject(CONCEPT), phrases, noise(), [noise() for _ in phrases])


def equinoise(work: Work, load: Load) -> Cosines:
    """Each text and image once, in batches."""
    texts, images = load()
    phrases = (work.concept, *work.attributes)
    table = encode_texts(texts, [wording.replace("{}", phrase) for wording in WORDINGS for phrase in phrases])
    vectors = np.stack([[table[w.replace("{}", phrase)] for phrase in phrases] for w in WORDINGS]).astype(np.float64)
    seen = encode_images(images, [*work.images, *(image for part in work.of_attributes for image in part)])
    of_attributes = seen[len(work.images) :].reshape(len(work.attributes), -1, seen.shape[1])
    return _cosines(vectors, seen[: len(work.images)], of_attributes)


def one_at_a_time(work: Work, load: Load) -> Cosines:
    """Each text and image once, by itself."""
    texts, images = load()
    phrases = (work.concept, *work.attributes)
    vectors = np.stack([[_text(texts, wording, phrase) for phrase in phrases] for wording in WORDINGS])
    return _cosines(
        vectors,
        np.stack([_image(images, image) for image in work.images]),
        np.stack([[_image(images, image) for image in part] for part in work.of_attributes]),
    )


def pairs(work: Work, load: Load) -> Cosines:
    """Models loaded once, the concept encoded anew for every attribute."""
    return _pair_by_pair(work, (load(),) * len(work.attributes))


def authors(work: Work, load: Load) -> Cosines:
    """Models loaded for every attribute."""
    return _pair_by_pair(work, (load() for _ in work.attributes))


WAYS = {"authors": authors, "pairs": pairs, "one at a time": one_at_a_time, "equinoise": equinoise}


def _pair_by_pair(work: Work, loaded: Iterable[tuple[Encoder, ImageEncoder]]) -> Cosines:
    text, vision = [], []
    for phrase, part, (texts, images) in zip(work.attributes, work.of_attributes, loaded, strict=True):
        text.append([_text(texts, w, work.concept) @ _text(texts, w, phrase) for w in WORDINGS])
        ours = np.stack([_image(images, image) for image in work.images])
        vision.append((np.stack([_image(images, image) for image in part]) @ ours.T).mean())
    return Cosines(np.array(text).T, np.array(vision))


def _text(encoder: Encoder, wording: str, phrase: str) -> Array:
    vector: Array = encoder.texts([wording.replace("{}", phrase)])[0].astype(np.float64)
    return vector


def _image(encoder: ImageEncoder, image: Image.Image) -> Array:
    vector: Array = encoder.images([image])[0].astype(np.float64)
    return vector


def _cosines(vectors: Array, images: Array, of_attributes: Array) -> Cosines:
    text = np.einsum("td,tkd->tk", vectors[:, 0], vectors[:, 1:])
    return Cosines(text, of_attributes.mean(axis=1) @ images.mean(axis=0))


@contextmanager
def loader(model: str, device: str) -> Iterator[Load]:
    """How the models are loaded: from a folder, as people load theirs."""
    if model == "emoji":
        yield lambda: (_pipelines_own(device), ClipEncoder.from_pretrained(str(EMOJI / "clip"), device))
        return
    with tempfile.TemporaryDirectory(prefix="equinoise-") as place:
        _save_clip_b32(place)

        def load() -> tuple[Encoder, ImageEncoder]:
            both = ClipEncoder.from_pretrained(place, device)
            return both, both

        yield load


def _pipelines_own(device: str) -> TextEncoder:
    from diffusers import StableDiffusionPipeline

    with quiet_libraries():
        pipeline = StableDiffusionPipeline.from_pretrained(EMOJI, dtype=torch.float32, safety_checker=None)
        return TextEncoder.of(pipeline.to(device))[0]


def _save_clip_b32(place: str) -> None:
    from transformers import AutoTokenizer, CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(EMOJI / "clip")
    ends = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    with quiet_libraries():
        CLIPModel(CLIPConfig(text_config=ends)).save_pretrained(place)
        tokenizer.model_max_length = 77
        tokenizer.save_pretrained(place)
        CLIPImageProcessor().save_pretrained(place)


def timed(way: Callable[[Work, Load], Cosines], work: Work, load: Load, device: str) -> tuple[float, Cosines]:
    """Seconds, and the cosines."""
    started = time.perf_counter()
    found = way(work, load)
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - started, found


def measure(model: str, device: str, m: int, repeats: int) -> list[Row]:
    """A row for each way; the slowest is run once, the others take turns."""
    work = the_work(m, 64)
    with loader(model, device) as load:
        equinoise(work, load)  # what is imported and compiled once is no part of the work
        seconds: dict[str, float] = {}
        found: dict[str, Cosines] = {}
        for turn in range(repeats):
            for name, way in WAYS.items():
                if turn == 0 or name != "authors":
                    took, found[name] = timed(way, work, load, device)
                    seconds[name] = min(took, seconds.get(name, took))
    return [_row(name, model, device, m, seconds, found) for name in WAYS]


def _row(name: str, model: str, device: str, m: int, seconds: dict[str, float], found: dict[str, Cosines]) -> Row:
    ours, theirs = found["equinoise"], found[name]
    apart = max(float(np.abs(ours.text - theirs.text).max()), float(np.abs(ours.vision - theirs.vision).max()))
    if apart > 1e-4:
        raise SystemExit(f"{name} and equinoise differ by {apart:.1e}: they do not do the same work")
    return {
        "model": model, "device": device, "attributes": len(ours.vision), "images each": m, "way": name,
        "seconds": seconds[name], "times equinoise": seconds[name] / seconds["equinoise"],
        "cosines differ by": f"{apart:.0e}",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["emoji", "clip-b32"], default="emoji")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=16, help="of the concept and of each attribute")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    kept = RESULTS / "relate_speed.json"
    before = json.loads(kept.read_text()) if kept.exists() else []
    rows = measure(args.model, args.device, args.images, args.repeats)
    others = [r for r in before if (r["model"], r["device"]) != (args.model, args.device)]
    keep([*others, *rows], "relate_speed")
    show(rows)


if __name__ == "__main__":
    main()
