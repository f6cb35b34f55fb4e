"""The closed-form mixture: exact velocity, exact flow, what formulas say against what is drawn, and the way through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import direction
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from equinoise import Engine, EquinoiseError, Intervention, ModelSpec, Sampling, Shift, load_axis
from equinoise.detectors import DetectorSpec, asked_role, load_detector, role_axis
from equinoise.detectors.loading import default_detector, fingerprint
from equinoise.engine import Job, Request
from equinoise.models import load_model
from equinoise.models.base import draw_noise
from equinoise.models.mixture import (
    MixtureDetector,
    MixtureEncoder,
    MixtureModel,
    best_direction,
    detected_cosine,
    discriminant,
    line_shares,
    mean_difference,
    quadrature_shares,
    shares,
    velocity,
)
from equinoise.models.mixture.embeddings import CHOSEN, UNRELATED
from equinoise.models.mixture.pictures import from_coordinates, from_pictures, to_coordinates, to_pictures
from equinoise.models.mixture.prompts import read
from equinoise.models.mixture.world import AXES, COORDINATES, PEOPLE, REACH, SPREAD, SUBJECTS, basis
from equinoise.models.worlds import world

SHAPE = (3, 8, 8)
DOCTOR, ENGINEER, FARMER = "a photo of a doctor", "a photo of an engineer", "a photo of a farmer"
BUILDING = "a photo of a building"
N = 2_048
Components = tuple[np.ndarray, np.ndarray, np.ndarray]


def drawn(prompt: str, n: int = N, guidance: float = 1.0, shift: np.ndarray | None = None) -> list[Image.Image]:
    noise = draw_noise(range(n), SHAPE)
    if shift is not None:
        noise = noise + torch.from_numpy(shift).float()
    images = MixtureModel().generate([prompt] * n, noise, Sampling(50, guidance)).images
    assert images is not None
    return images


def counted(images: list[Image.Image], axis: str) -> np.ndarray:
    found = MixtureDetector().probabilities(images, load_axis(axis))
    return np.bincount(found.argmax(axis=1), minlength=found.shape[1])


def agree(counts: np.ndarray, expected: dict[str, float], slack: float = 0.0) -> None:
    """Each count within the exact 99.9% interval of its share; `slack` for what the quadrature may be off."""
    for count, share in zip(counts, expected.values(), strict=True):
        exact = stats.binomtest(int(count), int(counts.sum()), min(max(share, 0), 1)).proportion_ci(0.999)
        assert exact.low - slack <= share <= exact.high + slack, (counts / counts.sum(), expected)


def components(subject: str) -> Components:
    """Weights (k,), means (k, 192) and the covariance (192, 192), written down anew from the tables."""
    pattern = dict(zip(COORDINATES, basis(), strict=True))
    table = SUBJECTS[subject]
    rows = []
    for chosen in product(*(product(*(AXES[a].classes for a in t.axes)) for t in table.tables)):
        weight, mean = 1.0, REACH * pattern[subject]
        for t, names in zip(table.tables, chosen, strict=True):
            weight *= np.asarray(t.shares)[tuple(AXES[a].classes.index(n) for a, n in zip(t.axes, names, strict=True))]
            for axis, name in zip(t.axes, names, strict=True):
                place = AXES[axis]
                mean = mean + sum(m * pattern[c] for c, m in zip(place.coordinates, place.means[name], strict=True))
        rows.append((weight, mean))
    along = sum((part * pattern[name] for name, part in table.along.items()), np.zeros(192))
    covariance = SPREAD**2 * (np.eye(192) + (table.stretch - 1) * np.outer(along, along))
    return np.array([w for w, _ in rows]), np.stack([m for _, m in rows]), covariance


def everyone() -> Components:
    weights, means = [], []
    for subject in PEOPLE:
        _, places, covariance = components(subject)
        weights.append(np.full(len(places), 1 / (len(places) * len(PEOPLE))))
        means.append(places)
    return np.concatenate(weights), np.concatenate(means), covariance


def by_gradient(law: Components, x: np.ndarray, t: float) -> np.ndarray:
    """The velocity from the score, by automatic differentiation of log p_t in all 192 dimensions."""
    weights, means, covariance = (torch.from_numpy(part) for part in law)
    factor = torch.linalg.cholesky((1 - t) ** 2 * covariance + t**2 * torch.eye(192, dtype=torch.float64))
    at = torch.from_numpy(x).requires_grad_()
    gap = at[:, None] - (1 - t) * means
    solved = torch.linalg.solve_triangular(factor, gap.reshape(-1, 192).T, upper=False).T.reshape(gap.shape)
    torch.logsumexp(weights.log() - solved.square().sum(-1) / 2, dim=1).sum().backward()
    return -(x + t * at.grad.numpy()) / (1 - t)


def test_patterns_are_orthonormal() -> None:
    assert basis() @ basis().T == pytest.approx(np.eye(len(COORDINATES)))


@pytest.mark.parametrize("t", [0.02, 0.3, 0.7, 0.98])
@pytest.mark.parametrize("subject", [*SUBJECTS, ""])
def test_velocity_is_that_of_the_score(subject: str, t: float) -> None:
    law = components(subject) if subject else everyone()
    rng = np.random.default_rng(1)
    x = (1 - t) * law[1][rng.integers(len(law[1]), size=5)] + 0.5 * rng.standard_normal((5, 192))
    prompt = f"a photo of a {subject}" if subject else ""
    expected = by_gradient(law, x, t)
    assert velocity(prompt, x.reshape(5, *SHAPE), t).reshape(5, 192) == pytest.approx(expected, abs=1e-8)
    free = by_gradient(everyone(), x, t)
    guided = velocity(prompt, x.reshape(5, *SHAPE), t, 3.0).reshape(5, 192)
    assert guided == pytest.approx(free + 3 * (expected - free), abs=1e-7)


def captured(prompt: str, noise: torch.Tensor, steps: int) -> np.ndarray:
    made = MixtureModel().generate([prompt] * len(noise), noise, Sampling(steps, 1.0), (steps - 1,), decode=False)
    return made.captured[steps - 1].double().numpy().reshape(len(noise), -1)


@pytest.mark.parametrize("steps", [1, 7, 50, 100])
def test_the_sampler_is_the_quantile_map(steps: int) -> None:
    noise = draw_noise(range(64), SHAPE)
    z, y = noise.double().numpy().reshape(64, -1) @ basis()[0], captured(DOCTOR, noise, steps) @ basis()[0]
    below = 0.22 * stats.norm.cdf((y - 1) / SPREAD) + 0.78 * stats.norm.cdf((y + 1) / SPREAD)
    assert below == pytest.approx(stats.norm.cdf(z), abs=2e-3)


def test_what_carries_no_meaning_is_scaled() -> None:
    noise = draw_noise(range(4), SHAPE)
    beside = np.eye(192) - basis().T @ basis()
    made, expected = captured(DOCTOR, noise, 5) @ beside, SPREAD * noise.double().numpy().reshape(4, -1) @ beside
    assert made == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("prompt", "axes"),
    [
        ("a photo of a person", ("gender", "tone")),
        (DOCTOR, ("gender", "tone")),
        ("a photo of a teacher", ("gender", "tone")),
        (ENGINEER, ("gender", "tone")),
        (FARMER, ("gender", "tone")),
        ("", ("gender", "tone")),
        ("a dark-skinned woman doctor", ("gender", "tone")),
        ("a photo of a woman engineer", ("gender", "tone")),
        (BUILDING, ("house",)),
        ("a photo of a hut", ("house",)),
    ],
)
def test_measured_shares_agree_with_formulas(prompt: str, axes: tuple[str, ...]) -> None:
    images = drawn(prompt)
    for axis in axes:
        agree(counted(images, axis), shares(prompt, axis), slack=1e-3)


def test_shares_are_near_the_planted_ones() -> None:
    stated = world("mixture")
    assert stated is not None
    assert stated.to_json().keys() == {"note", "guidance_scale", "roles", "planted"}
    assert stated.to_json()["roles"]["engineer"]["detect"] == ["a photo of an engineer", "a photo of a technologist"]
    for subject, planted in stated.planted.items():
        for axis, expected in planted.items():
            assert sum(expected.values()) == pytest.approx(1)
            slack = 0.02 if subject == "farmer" else 0.002  # of the farmer's pictures more are misread
            assert shares(f"a photo of a {subject}", axis) == pytest.approx(expected, abs=slack)


@pytest.mark.parametrize(
    ("prompt", "axis", "label", "guidance"),
    [
        (DOCTOR, "gender", "woman", 1.0),
        (DOCTOR, "tone", "light", 1.0),
        (DOCTOR, "gender", "woman", 3.0),
        (ENGINEER, "gender", "woman", 1.0),
        (FARMER, "gender", "woman", 1.0),
        pytest.param(BUILDING, "house", "hut", 2.0, marks=pytest.mark.slow),
        (FARMER, "tone", "light", 2.0),
    ],
)
def test_shares_under_a_shift_agree_with_formulas(prompt: str, axis: str, label: str, guidance: float) -> None:
    """Along a direction that is the best one to 0.8 and chance for the rest."""
    best, rng = best_direction(prompt, axis, label, guidance), np.random.default_rng(0)
    other = rng.standard_normal(SHAPE)
    other -= (other * best).sum() * best
    shift = 1.5 * (0.8 * best + 0.6 * other / np.linalg.norm(other))
    counts = counted(drawn(prompt, guidance=guidance, shift=shift), axis)
    agree(counts, shares(prompt, axis, shift, guidance), slack=1e-3)
    assert counts[AXES[axis].classes.index(label)] > counted(drawn(prompt, guidance=guidance), axis)[0]


def test_two_classes_follow_the_probit_formula() -> None:
    p, d = shares(DOCTOR, "gender")["woman"], best_direction(DOCTOR, "gender", "woman")
    for w in (-2.0, 0.5, 3.0):
        expected = stats.norm.cdf(stats.norm.ppf(p) + w)
        assert shares(DOCTOR, "gender", w * d)["woman"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("axis", ["gender", "tone"])
@pytest.mark.parametrize("guidance", [1.0, 2.5])
@pytest.mark.parametrize("unclear_below", [0.0, 0.6])
def test_quadrature_agrees_with_the_formula(axis: str, guidance: float, unclear_below: float) -> None:
    shift = 0.7 * best_direction(DOCTOR, axis, AXES[axis].classes[-1])
    by_formula = line_shares(DOCTOR, axis, shift, guidance, unclear_below)
    by_grid = quadrature_shares(DOCTOR, axis, shift, guidance, unclear_below)
    assert by_grid == pytest.approx(by_formula, abs=5e-4)


def test_the_formula_at_guidance_1_is_the_flow_followed_back() -> None:
    almost = line_shares(DOCTOR, "tone", guidance=1 + 1e-12)
    assert almost == pytest.approx(line_shares(DOCTOR, "tone"), abs=1e-6)


@given(st.floats(-4, 4, allow_subnormal=False), st.floats(0, 0.9, allow_subnormal=False))
def test_shares_sum_to_one_and_grow_along_the_direction(w: float, unclear_below: float) -> None:
    d = best_direction(DOCTOR, "gender", "woman")
    here, further = (line_shares(DOCTOR, "gender", v * d, 1.0, unclear_below) for v in (w, w + 0.1))
    assert sum(here.values()) == pytest.approx(1)
    assert further["woman"] > here["woman"]


@pytest.mark.parametrize(("prompt", "other"), [(ENGINEER, "tone"), (FARMER, "texture")])
def test_the_best_direction_is_the_slope_of_the_share(prompt: str, other: str) -> None:
    """Finite differences of the quadrature along both coordinates concerned."""
    plane = [basis()[COORDINATES.index(name)].reshape(SHAPE) for name in ("gender", other)]

    def share(shift: np.ndarray) -> float:
        return quadrature_shares(prompt, "gender", shift, cells=160)["woman"]

    slope = np.array([share(0.2 * d) - share(-0.2 * d) for d in plane])
    best = best_direction(prompt, "gender", "woman")
    found = np.array([(best * d).sum() for d in plane])
    assert np.linalg.norm(found) == pytest.approx(1)
    assert found == pytest.approx(slope / np.linalg.norm(slope), abs=0.02)
    assert found[0] < 0.95  # oblique to the line of the classes


def test_directions_that_theory_predicts() -> None:
    best = best_direction("a photo of a person", "gender", "woman")
    assert (mean_difference("a photo of a woman", "a photo of a man") * best).sum() == pytest.approx(1)
    assert (discriminant("a photo of a woman", "a photo of a man", 0.4) * best).sum() == pytest.approx(1)
    farmers = ("a photo of a woman farmer", "a photo of a man farmer")
    oblique = best_direction(FARMER, "gender", "woman")
    assert (mean_difference(*farmers) * best).sum() == pytest.approx(1)
    assert (oblique * best).sum() < 0.9
    assert (discriminant(*farmers, 1.0) * best).sum() == pytest.approx(1)
    assert (discriminant(*farmers, 0.0) * oblique).sum() > (mean_difference(*farmers) * oblique).sum()
    with pytest.raises(EquinoiseError, match="no direction favours 'medium'"):
        best_direction("a photo of a person", "tone", "medium")


@pytest.mark.parametrize("prompt", [DOCTOR, "a photo of a person"])
def test_detected_labels_give_the_cosine_that_theory_predicts(prompt: str) -> None:
    found = MixtureDetector().probabilities(drawn(prompt), load_axis("gender"))
    z, women = draw_noise(range(N), SHAPE).double().numpy(), found[:, 0] > 0.5
    gap = z[women].mean(axis=0) - z[~women].mean(axis=0)
    best = best_direction(prompt, "gender", "woman")
    cosine = (gap * best).sum() / np.linalg.norm(gap)
    assert cosine == pytest.approx(detected_cosine(shares(prompt, "gender")["woman"], N), abs=0.03)


def reference_posterior(x: np.ndarray, axis: str) -> np.ndarray:
    """Bayes' rule over all components of all subjects, classes alike, in all 192 dimensions."""
    totals = {name: np.zeros(len(x)) for name in AXES[axis].classes}
    for subject, like in SUBJECTS.items():
        _, means, covariance = components(subject)
        combinations = list(product(*(AXES[a].classes for t in like.tables for a in t.axes)))
        shown = [a for t in like.tables for a in t.axes]
        for names, mean in zip(combinations, means, strict=True):
            density = stats.multivariate_normal(mean, covariance).logpdf(x)
            mass = np.exp(density + 250) / len(combinations)
            for name in totals:
                certain = names[shown.index(axis)] == name if axis in shown else 1 / len(totals)
                totals[name] += mass * certain
    joint = np.stack(list(totals.values()), axis=1)
    return joint / joint.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("axis", AXES)
def test_the_detector_gives_the_posterior(axis: str) -> None:
    rng = np.random.default_rng(0)
    images = [image for subject in SUBJECTS for image in drawn(f"a photo of a {subject}", 20)]
    images.append(Image.fromarray(rng.integers(110, 146, (8, 8, 3), dtype=np.uint8)).resize((64, 64), 0))
    pixels = np.stack([np.asarray(image, np.float64).reshape(8, 8, 8, 8, 3).mean(axis=(1, 3)) for image in images])
    x = 0.1 * np.sinh((pixels.transpose(0, 3, 1, 2).reshape(len(images), 192) - 127.5) / 23)
    found = MixtureDetector().probabilities(images, load_axis(axis))
    assert found == pytest.approx(reference_posterior(x, axis), abs=1e-9)
    assert found.sum(axis=1) == pytest.approx(1)


def test_pictures_keep_what_the_latents_show() -> None:
    """Rounding to 8 bits is small beside the spread of a class, far from grey as well."""
    rng = np.random.default_rng(0)
    for far, slack in ((2.0, 0.01), (8.0, 0.05)):
        coordinates = far * rng.standard_normal((12, 50))
        latents = from_coordinates(coordinates) + 0.25 * rng.standard_normal((50, 192))
        error = from_pictures(to_pictures(latents)) - to_coordinates(latents)[0]
        assert np.sqrt((error**2).mean()) < slack
        assert np.abs(error.mean(axis=1)).max() < slack


def test_what_a_picture_does_not_show_is_even() -> None:
    detector = MixtureDetector()
    assert detector.probabilities(drawn(BUILDING, 8), load_axis("gender")) == pytest.approx(0.5, abs=1e-3)
    assert detector.probabilities(drawn(DOCTOR, 8), load_axis("house")) == pytest.approx(0.25, abs=1e-3)


def test_subjects_are_told_apart() -> None:
    roles = role_axis("mixture")
    assert roles is not None
    for subject in SUBJECTS:
        found = load_detector(DetectorSpec("mixture")).probabilities(drawn(f"a photo of a {subject}", 64), roles)
        assert (found.argmax(axis=1) == roles.classes.index(subject)).all()


def test_embeddings_have_the_chosen_cosines() -> None:
    encoder = MixtureEncoder()
    texts = {
        **{
            name: f"a photo of a {name}"
            for name in ("doctor", "teacher", "engineer", "building", "woman", "man", "hut")
        },
        "mansion": "a mansion",
        "dark": "a person with dark skin",
        "light": "light-skinned",
    }
    vectors = dict(zip(texts, encoder.texts(list(texts.values())), strict=True))
    for first, second in product(vectors, vectors):
        chosen = CHOSEN.get((first, second), CHOSEN.get((second, first), UNRELATED))
        expected = 1.0 if first == second else chosen
        assert vectors[first] @ vectors[second] == pytest.approx(expected, abs=1e-6)


def test_pictures_lie_near_what_they_show_and_not_where_the_text_says() -> None:
    encoder = MixtureEncoder()
    images = encoder.images(drawn(BUILDING, 256))
    assert np.linalg.norm(images, axis=1) == pytest.approx(1, abs=1e-6)
    words = encoder.texts(["a hut", "a derelict house", "a house", "a mansion"])
    said, seen = words @ encoder.texts([BUILDING])[0], words @ images.mean(axis=0)
    assert said.argmax() == 0
    assert seen.argmax() == 3
    with pytest.raises(EquinoiseError, match="names nothing"):
        encoder.texts(["a zebra"])


def test_captures_and_early_stop() -> None:
    model, noise = MixtureModel(), draw_noise([1, 2, 3], SHAPE)
    prompts = [DOCTOR, BUILDING, FARMER]
    full = model.generate(prompts, noise, Sampling(6, 2.0), ("T", 0, 3, 5))
    early = model.generate(prompts, noise, Sampling(6, 2.0), ("T", 0, 3), decode=False)
    assert early.images is None
    assert list(full.captured) == ["T", 0, 3, 5]
    assert torch.equal(full.captured["T"], noise)
    assert all(torch.equal(early.captured[step], full.captured[step]) for step in (0, 3))
    assert list(model.generate(prompts, noise, Sampling(6), ("T",), decode=False).captured) == ["T"]


def shifted(change: Intervention | None = None) -> Request:
    return Request(ModelSpec("mixture"), Sampling(8, 1.5), 4, ("T", 3))


def test_images_do_not_depend_on_order_companions_or_workers() -> None:
    shift = Intervention((Shift(direction(shape=SHAPE), 2.0),))
    prompts = [DOCTOR, ENGINEER, FARMER, BUILDING]
    jobs = [Job(str(i), prompts[i % 3 if i < 6 else 3], 100 + i, shift if i % 2 else None) for i in range(9)]
    with Engine(1) as engine:
        one = {r.job.id: r for r in engine.run(shifted(), jobs)}
    with Engine(2) as engine:
        other = {r.job.id: r for r in engine.run(shifted(), [jobs[i] for i in (6, 2, 0, 5, 8, 1, 7, 3, 4)])}
        alone = next(iter(engine.run(shifted(), [jobs[5]])))
    with Engine(device="cuda") as engine:  # as an accelerator is driven: from this process
        here = list(engine.run(shifted(), jobs))
    assert [result.job.id for result in here] == list(one)
    for result in here:
        assert np.array_equal(result.latents[3], one[result.job.id].latents[3])
    for key, result in one.items():
        assert result.image is not None
        assert other[key].image is not None
        assert result.image.tobytes() == other[key].image.tobytes()  # type: ignore[union-attr]
        assert np.array_equal(result.latents[3], other[key].latents[3])
    assert alone.image is not None
    assert alone.image.tobytes() == one["5"].image.tobytes()  # type: ignore[union-attr]


def test_bits_do_not_depend_on_the_size_of_the_batch() -> None:
    noise = draw_noise(range(37), SHAPE)
    together = captured(FARMER, noise, 10)
    assert np.array_equal(together[20:21], captured(FARMER, noise[20:21], 10))


def test_nothing_added_is_nothing_changed() -> None:
    noise, d = draw_noise([1, 2], SHAPE), direction(shape=SHAPE)
    plain = captured(DOCTOR, noise, 5)
    for nothing in (Shift(d, 0.0), Shift(d - d, 3.0)):
        assert np.array_equal(captured(DOCTOR, Intervention((nothing,)).apply(noise), 5), plain)


def phrases() -> st.SearchStrategy[tuple[str, str | None, str | None, str]]:
    return st.tuples(
        st.sampled_from(["a photo of a", "A picture of the"]),
        st.sampled_from([None, *AXES["tone"].classes]),
        st.sampled_from([None, *AXES["gender"].classes]),
        st.sampled_from([name for name in SUBJECTS if name not in ("person", "building")]),
    )


@given(phrases())
def test_prompts_are_read(words: tuple[str, str | None, str | None, str]) -> None:
    start, tone, gender, subject = words
    prompt = " ".join(part for part in (start, f"{tone}-skinned" if tone else None, gender, subject) if part)
    asked = read(prompt)
    assert (asked.subject, asked.named.get("tone"), asked.named.get("gender")) == (
        subject,
        (tone,) if tone else None,
        (gender,) if gender else None,
    )


def test_the_catalogues_prompts_are_read() -> None:
    roles = role_axis("mixture")
    assert roles is not None
    for axis in map(load_axis, AXES):
        for label in axis.classes:
            for prompt in (*axis.generate[label], *(f"{text}, outside" for text in axis.generate[label])):
                asked = read(prompt)
                assert asked.named == {axis.name: (label,)}
                expected = asked.subject if asked.subject != "building" else asked_role(prompt, roles.generate)
                assert asked_role(prompt, roles.generate) == expected


def test_refusals_are_one_line(tmp_path: Path) -> None:
    model, noise = MixtureModel(), draw_noise([1], SHAPE)
    small, emoji = [Image.new("RGB", (32, 32))], [Image.radial_gradient("L").resize((64, 64))]
    for call, message in refusals(model, noise, small, emoji):
        with pytest.raises(EquinoiseError, match=message) as refused:
            call()
        assert "\n" not in str(refused.value)


def refusals(
    model: MixtureModel, noise: torch.Tensor, small: list[Image.Image], emoji: list[Image.Image]
) -> Iterator[tuple[Callable[[], object], str]]:
    yield lambda: model.generate(["a photo of a cat"], noise, Sampling()), "names no subject .* person, doctor"
    yield lambda: model.generate(["a doctor and a teacher"], noise, Sampling()), "names doctor and teacher; name one"
    yield (
        lambda: model.generate(["a woman and her house"], noise, Sampling()),
        "a building of the mixture shows no gender",
    )
    yield lambda: model.generate([DOCTOR] * 2, noise, Sampling()), "noise has shape"
    yield lambda: model.generate([DOCTOR], noise, Sampling(5), (5,)), "step 5 does not exist"
    yield lambda: model.require_total(0), "from 1 to 1000"
    yield lambda: load_model(ModelSpec("mixture", device="cuda")), "leave out --device cuda"
    yield lambda: load_model(ModelSpec("mixture", dtype="float16")), "leave out --dtype"
    yield lambda: load_model(ModelSpec("mixture", scheduler="DDIM")), "leave out --scheduler DDIM"
    yield lambda: MixtureDetector().probabilities(small, load_axis("gender")), "own pictures only"
    yield lambda: MixtureDetector().probabilities(emoji, load_axis("gender")), "own pictures only"
    yield lambda: MixtureDetector().probabilities(drawn(DOCTOR, 1), load_axis("age")), "no axis 'age'"
    yield lambda: shares(DOCTOR, "house"), "a doctor of the mixture shows no house"
    yield lambda: line_shares(ENGINEER, "gender"), "no formula"
    yield lambda: best_direction(DOCTOR, "gender", "elder"), "no class 'elder'"


def test_it_is_loaded_by_name() -> None:
    model = load_model("mixture")
    assert (model.name, model.latent_shape, model.default_guidance) == ("mixture", SHAPE, 1.0)
    assert load_model(ModelSpec("mixture", dtype="float32")).provenance == model.provenance
    assert default_detector("mixture") == "mixture"
    assert fingerprint("mixture") == model.provenance["weights"]


FAST = ("--steps", 6, "--workers", 2, "--batch-size", 32)


@pytest.mark.slow
def test_the_command_line_end_to_end(cli: Callable, tmp_path: Path) -> None:
    ran = cli("audit", "mixture", "--concept", DOCTOR, "--axis", "gender", "--axis", "tone", "-n", 512,
              "-o", tmp_path / "audit", "--json", *FAST)  # fmt: skip
    assert ran.code == 0, ran.err
    by_axis = {audit["axis"]: audit for audit in ran.json["audits"]}
    assert by_axis["gender"]["concept_fidelity"] == 1.0
    counts = np.array([found["count"] for found in by_axis["gender"]["classes"].values()])
    agree(counts, shares(DOCTOR, "gender", unclear_below=0.6))
    ran = cli("collect", "mixture", "--axis", "gender", "-n", 32, "--capture", "T,3", "-o", tmp_path / "t", *FAST)
    assert ran.code == 0, ran.err
    ran = cli("fit", tmp_path / "t", "-o", tmp_path / "d.safetensors", "--estimator", "paired", "--permutations", 9)
    assert ran.code == 0, ran.err
    sweep = cli("sweep", "mixture", "--concept", DOCTOR, "--direction", f"{tmp_path / 'd.safetensors'}:woman",
                "--weights", "1,3", "-n", 256, "-o", tmp_path / "sweep", "--json", *FAST)  # fmt: skip
    assert sweep.code == 0, sweep.err
    best = best_direction(DOCTOR, "gender", "woman")
    for cell in sweep.json["cells"]:
        low, high = stats.binomtest(round(cell["share"] * 256), 256).proportion_ci(0.999)
        assert low <= shares(DOCTOR, "gender", cell["weight"] * best)["woman"] <= high
    ran = cli("generate", "mixture", "--concept", DOCTOR, "--direction", f"{tmp_path / 'd.safetensors'}:woman@3=2",
              "-n", 4, "-o", tmp_path / "images", *FAST)  # fmt: skip
    assert ran.code == 0, ran.err
    ran = cli("report", tmp_path / "audit", tmp_path / "sweep", "-o", tmp_path / "report.html")
    assert ran.code == 0, ran.err
    assert "its skew was planted by us" in (tmp_path / "report.html").read_text()


def test_the_command_line_refuses_in_one_line(cli: Callable) -> None:
    for arguments, message in [
        (("--axis", "age", "--concept", DOCTOR), "no axis 'age'"),
        (("--axis", "gender", "--concept", "a photo of a cat"), "names no subject"),
        (("--axis", "gender", "--concept", DOCTOR, "--scheduler", "DDIM"), "leave out --scheduler"),
        (("--axis", "gender", "--concept", DOCTOR, "--device", "cuda"), "leave out --device"),
    ]:
        ran = cli("audit", "mixture", *arguments, "-n", 2, "--json", *FAST)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
        assert message in ran.err
    dry = cli("audit", "mixture", "--axis", "gender", "--concept", DOCTOR, "--dry-run", "--json")
    assert dry.json["denoiser_calls"] == 128 * 50
