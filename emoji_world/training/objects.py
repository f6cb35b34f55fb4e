"""Train the object detector of this world: a small YOLOS on the known boxes, begun from the CLIP's vision layers.

YOLOS is a vision transformer with detection tokens, so the CLIP of the same patch size gives it eyes to start with.
It is used through the ordinary `object-detection` pipeline.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

from emoji_world.drawing.canvas import SIZE
from emoji_world.training.bank import Objects, load, odds, sample_rows
from emoji_world.training.clip import MEAN, STD, through_autoencoder
from emoji_world.training.flags import flags
from emoji_world.training.loop import Schedule, train
from emoji_world.world import object_labels

DETECTIONS, PATCH = 10, 8


def object_detector() -> YolosForObjectDetection:
    """2.2 M parameters: 16×16 patches of 8×8 pixels, four layers, ten detection tokens."""
    names = object_labels()
    return YolosForObjectDetection(
        YolosConfig(
            image_size=[SIZE, SIZE],
            patch_size=PATCH,
            hidden_size=192,
            intermediate_size=768,
            num_hidden_layers=4,
            num_attention_heads=4,
            hidden_act="quick_gelu",
            num_detection_tokens=DETECTIONS,
            use_mid_position_embeddings=False,
            id2label=dict(enumerate(names)),
            label2id={name: index for index, name in enumerate(names)},
        )
    )


def object_processor() -> YolosImageProcessorPil:
    return YolosImageProcessorPil(
        size={"height": SIZE, "width": SIZE}, image_mean=[MEAN] * 3, image_std=[STD] * 3, do_pad=False
    )


@torch.no_grad()
def begin_from(model: YolosForObjectDetection, eyes: CLIPModel) -> None:
    """Copy positions and layers of the CLIP's vision tower, whose patches are larger; the patches are learnt anew."""
    theirs = eyes.vision_model.state_dict()
    names = {
        "layer_norm1": "layernorm_before",
        "layer_norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
        "self_attn.q_proj": "attention.attention.query",
        "self_attn.k_proj": "attention.attention.key",
        "self_attn.v_proj": "attention.attention.value",
        "self_attn.out_proj": "attention.output.dense",
    }
    ours = model.vit.state_dict()
    for index in range(4):
        for their, our in names.items():
            for part in ("weight", "bias"):
                ours[f"encoder.layer.{index}.{our}.{part}"].copy_(theirs[f"encoder.layers.{index}.{their}.{part}"])
    ours["embeddings.cls_token"].copy_(theirs["embeddings.class_embedding"])
    first, *places = theirs["embeddings.position_embedding.weight"]
    coarse, fine = round(len(places) ** 0.5), SIZE // PATCH
    grid = torch.stack(places).T.reshape(1, -1, coarse, coarse)
    finer = F.interpolate(grid, (fine, fine), mode="bilinear").flatten(2).transpose(1, 2)
    ours["embeddings.position_embeddings"][:, 0].copy_(first)
    ours["embeddings.position_embeddings"][:, 1 : 1 + fine**2].copy_(finer)


def targets(objects: Objects) -> dict[str, Tensor]:
    """Class indices and (centre, size) of the boxes, in shares of the picture's side."""
    names = object_labels()
    corners = torch.tensor([box for _, box in objects], dtype=torch.float32).reshape(-1, 4) / SIZE
    centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    return {
        "class_labels": torch.tensor([names.index(name) for name, _ in objects], dtype=torch.int64),
        "boxes": torch.cat([centre, size], dim=1),
    }


def main() -> None:
    parser = flags(__doc__, steps=2_000, batch=32, learning_rate=5e-4, emphasis="place=3")
    parser.add_argument("--eyes", type=Path, help="folder of the CLIP to begin from; default WORK/clip")
    parser.add_argument("--warm-start", type=Path, help="folder of an object detector to go on from instead")
    args = parser.parse_args()
    bank = load(args.bank)
    images = torch.from_numpy(bank.images).to(args.device)
    cumulative = odds(bank.scenes, args.emphasis)
    vae = AutoencoderTiny.from_pretrained(args.work / "vae").to(args.device)
    if args.warm_start:
        model = YolosForObjectDetection.from_pretrained(args.warm_start, dtype=torch.float32)
    else:
        model = object_detector()
        begin_from(model, CLIPModel.from_pretrained(args.eyes or args.work / "clip", dtype=torch.float32))
    model.to(args.device)

    asked = [{k: v.to(args.device) for k, v in targets(objects).items()} for objects in bank.objects]

    def batch(step: int) -> tuple[int, NDArray[np.int64]]:
        return step, sample_rows(np.random.default_rng((5, step)), cumulative, args.batch)

    def loss(given: tuple[int, NDArray[np.int64]]) -> Tensor:
        step, rows = given
        labels = [asked[row] for row in rows]
        with torch.autocast(args.device, torch.bfloat16):
            pixels = images[torch.from_numpy(rows).to(args.device)].permute(0, 3, 1, 2).float() / 127.5 - 1
            pixels = through_autoencoder(vae, pixels, torch.Generator(args.device).manual_seed(step))
            value: Tensor = model(pixel_values=(pixels / 2 + 0.5 - MEAN) / STD, labels=labels).loss
        return value

    schedule = Schedule(args.steps, args.learning_rate, seconds=args.seconds)
    train(model, batch, loss, schedule, args.work / "objects.safetensors", "objects")


if __name__ == "__main__":
    main()
