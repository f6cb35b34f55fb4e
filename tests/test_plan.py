"""Plans as data: which seed gets what, nothing lost on disk, and what a mixture makes of a model of known truth."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from factories import direction, origin
from hypothesis import given
from hypothesis import strategies as st

from equinoise.axes import load_axis
from equinoise.directions.direction import Direction, DirectionSet
from equinoise.errors import EquinoiseError
from equinoise.files import read_arrays, write_arrays
from equinoise.models import load_model
from equinoise.models.mixture import best_direction, shares
from equinoise.steering.intervention import Intervention, Shift
from equinoise.steering.plan import Part, Plan
from equinoise.steering.prompt_filter import class_words
from equinoise.steering.schedule import RESOLUTION, schedule

CONCEPT = "a photo of a doctor"
EVEN = {"gender": {"woman": 0.5, "man": 0.5}}
DATA = Path(__file__).parent / "data"


def plan(*weights: float, **fields: object) -> Plan:
    """A mixture of shifts by 0, 1, 2, …; shares in proportion to the weights."""
    interventions = [Intervention((Shift(direction(), float(w)),)) for w in range(len(weights))]
    parts = tuple(Part(i, share / sum(weights)) for i, share in zip(interventions, weights, strict=True))
    return Plan(CONCEPT, EVEN, parts, **fields)  # type: ignore[arg-type]


def counts(made: Plan, seeds: range) -> list[int]:
    got = Counter(made.intervention(seed) for seed in seeds)
    return [got[part.intervention] for part in made.parts]


def weights_of(total: int, most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, total), min_size=1, max_size=most).filter(lambda w: sum(w) > 0)


@given(st.integers(0, 2**63), st.integers(1, 40))
def test_any_seeds_in_a_row_of_an_even_mixture_are_even(first: int, k: int) -> None:
    assert counts(plan(1, 1), range(first, first + 2 * k)) == [k, k]
    assert counts(plan(1, 1, 1), range(first, first + 3 * k)) == [k, k, k]


@given(st.floats(0, 1, allow_subnormal=False), st.integers(0, 2**64), st.integers(1, 300))
def test_two_parts_are_rounded_up_or_down(share: float, first: int, k: int) -> None:
    got, _ = counts(plan(share, 1 - share), range(first, first + k))
    # shares are met to 10⁻⁴ at worst
    assert np.floor(k * (share - 1e-4) - 1e-9) <= got <= np.ceil(k * (share + 1e-4) + 1e-9)


@given(weights_of(100, 7), st.integers(0, 10**9), st.integers(1, 200))
def test_several_parts_are_off_by_less_than_two(weights: list[int], first: int, k: int) -> None:
    got = counts(plan(*weights), range(first, first + k))
    expected = k * np.array(weights) / sum(weights)
    assert np.abs(got - expected).max() < 2
    assert all(n == 0 for n, weight in zip(got, weights, strict=True) if weight == 0)


@given(weights_of(40, 6))
def test_the_schedule_keeps_the_bound_of_its_theorem(weights: list[int]) -> None:
    places = schedule([w / sum(weights) for w in weights])
    among = sum(weight > 0 for weight in weights)
    expected = np.outer(np.arange(1, len(places) + 1), weights) / sum(weights)
    got = np.cumsum(np.eye(len(weights))[list(places)], axis=0)
    bound = 1 - 1 / (2 * among - 2) if among > 1 else 0
    assert np.abs(got - expected).max() <= bound + 1e-9
    assert np.allclose(got[-1], expected[-1])


def test_shares_of_no_simple_ratio_are_met_closely() -> None:
    odd = [np.pi - 3, np.e - 2, 1 - (np.pi - 3) - (np.e - 2)]
    places = schedule(odd)
    assert len(places) <= RESOLUTION
    assert np.allclose([places.count(i) / len(places) for i in range(3)], odd, atol=1e-4)


def test_it_is_a_function_of_the_seed_alone() -> None:
    made, seeds = plan(3, 2, 1), range(50, 90)
    together = [made.intervention(seed) for seed in seeds]
    shards = {seed: plan(3, 2, 1).intervention(seed).name for part in range(4) for seed in list(seeds)[part::4]}
    assert [i.name for i in together] == [shards[seed] for seed in seeds]


def test_save_and_load_change_nothing(tmp_path: Path) -> None:
    d, e = direction(), direction(1, label="dark", axis="tone", kind="scale", against="light")
    shifts, difference = (Shift(d, 3.0), Shift(e, 1.0, "truncate")), (Shift(d - 2 * e, 1.0),)
    made = Plan(
        "doctors?",
        EVEN,
        (Part(Intervention(), 0.25), Part(Intervention(shifts), 0.5), Part(Intervention(difference), 0.25)),
        match="pattern",
        words=class_words([load_axis("gender")]),
        seeds=(3, 4),
        provenance={"model": {"name": "m"}, "verified": None, "cost": {"images": 12}},
    )
    made.save(tmp_path / "p.safetensors")
    again = Plan.load(str(tmp_path / "p.safetensors"))
    assert again.to_json() == made.to_json()
    for field in ("concept", "targets", "match", "threshold", "words", "seeds", "provenance"):
        assert getattr(again, field) == getattr(made, field)
    assert (again.name, again.digest, again.kl_nats) == (made.name, made.digest, made.kl_nats)
    arrays, about = read_arrays(tmp_path / "p.safetensors")
    assert len(arrays) == 3  # d is there once, though two parts use it
    for ours, theirs in zip(made.interventions, again.interventions, strict=True):
        for a, b in zip(ours.shifts, theirs.shifts, strict=True):
            assert (a.weight, a.how, a.direction.terms) == (b.weight, b.how, b.direction.terms)
            assert np.array_equal(a.direction.vector, b.direction.vector)
    assert not again.prompt_filter().decide("two doctors and a woman").touch
    again.save(tmp_path / "q.safetensors")
    assert (tmp_path / "q.safetensors").read_bytes() == (tmp_path / "p.safetensors").read_bytes()
    write_arrays(tmp_path / "later.safetensors", arrays, {**about, "version": 2})
    with pytest.raises(EquinoiseError, match="plan of version 2"):
        Plan.load(tmp_path / "later.safetensors")


def test_plans_of_version_0_1_are_read(tmp_path: Path) -> None:
    """Its file says `look` and `keep`, and one of its directions is of a pair of classes."""
    old = json.loads((DATA / "version-0.1.json").read_text())["plan"]
    made = Plan.load(DATA / "plan-0.1.safetensors")
    assert (made.name, made.digest, made.kl_nats) == (old["name"], old["digest"], pytest.approx(old["kl_nats"]))
    assert [made.part(seed).name for seed in range(20)] == old["parts"]
    assert [dict(part.accept) for part in made.parts] == [{"gender": ("woman",)}, {}, {}]
    assert made.early_classifier is not None
    assert (made.early_classifier.step, made.early_classifier.digest) == (3, old["early_classifier"])
    assert [d.origin.kind for d in made.directions] == ["two_class", "scale", "pairwise"]
    assert [(d.origin.label, d.origin.against) for d in made.directions][2] == ("hut", "mansion")
    made.save(tmp_path / "again.safetensors")
    again = Plan.load(tmp_path / "again.safetensors")
    assert (again.digest, again.to_json()) == (made.digest, made.to_json())


def test_a_plan_in_json() -> None:
    made = plan(1, 3, words=class_words([load_axis("gender")]), seeds=(4, 5), provenance={"cost": {"images": 12}})
    shown = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert shown["concept"] == CONCEPT
    assert shown["targets"] == EVEN
    assert [(row["name"], row["share"], row["kl_nats"]) for row in shown["interventions"]] == [
        ("woman@10=0", 0.25, 0.0),
        ("woman@10=1", 0.75, pytest.approx(0.5)),
    ]
    assert shown["kl_nats"] == pytest.approx(0.375)
    assert (shown["name"], shown["digest"]) == (made.name, made.digest)
    assert shown["seeds"] == [4, 5]
    assert shown["provenance"] == {"cost": {"images": 12}}
    assert shown["early_check_step"] is None


def test_what_an_image_gets_is_in_the_digest() -> None:
    made = plan(1, 1)
    others = [plan(1, 2), plan(1, 1, match="any"), dataclasses.replace(made, concept="a nurse")]
    assert len({made.digest, *(other.digest for other in others)}) == 4
    assert dataclasses.replace(made, provenance={"a": 1}).digest == made.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": ()}, "sum to 1"),
        ({"parts": (Part(Intervention(), 0.5),)}, "sum to 1"),
        ({"parts": (Part(Intervention(), 1.5), Part(Intervention(), -0.5))}, "sum to 1"),
        ({"parts": (Part(Intervention(), float("nan")),)}, "sum to 1"),
        ({"targets": {"gender": {"woman": 0.5, "man": 0.6}}}, "target of axis 'gender'"),
        ({"match": "similar"}, "threshold"),
        ({"match": "pattern", "concept": "("}, "regular expression"),
        ({"concept": ""}, "needs the concept"),
    ],
)
def test_impossible_plans_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(EquinoiseError, match=message):
        dataclasses.replace(plan(1, 1), **change)  # type: ignore[arg-type]


def test_files_that_are_no_plans_are_one_line(tmp_path: Path) -> None:
    arrays = {"0": np.zeros(3, np.float32)}
    write_arrays(tmp_path / "other.safetensors", arrays, {"kind": "directions"})
    write_arrays(tmp_path / "cut.safetensors", arrays, {"kind": "plan", "version": 1, "terms": [[]], "parts": []})
    plan(1, 1).save(tmp_path / "good.safetensors")
    vectors, about = read_arrays(tmp_path / "good.safetensors")
    write_arrays(tmp_path / "nan.safetensors", {k: v * np.nan for k, v in vectors.items()}, about)
    for name, message in [("other", "not a plan"), ("cut", "damaged"), ("none", "no such file"), ("nan", "finite")]:
        with pytest.raises(EquinoiseError, match=message):
            Plan.load(tmp_path / f"{name}.safetensors")


FAST = ("--workers", 1, "--steps", 8, "--json")


def of_the_mixture(match: str = "exact") -> Plan:
    """Half untouched, half shifted by 2 along the direction that theory calls best."""
    model = load_model("mixture")
    sampling = {"steps": 8, "guidance_scale": 1.0}
    found = origin(step="T", model=model.provenance, sampling=sampling, seeds=(7,))
    shift = Shift(Direction.unit(best_direction(CONCEPT, "gender", "woman"), found), 2.0)
    parts = (Part(Intervention(), 0.5), Part(Intervention((shift,)), 0.5))
    return Plan(CONCEPT, EVEN, parts, match=match, words=class_words([load_axis("gender")]), seeds=(9,))  # type: ignore[arg-type]


def test_audit_takes_a_plan_and_finds_the_mixture_of_the_shares(cli: Callable, tmp_path: Path) -> None:
    made = of_the_mixture()
    made.save(tmp_path / "p.safetensors")
    ran = cli("audit", "mixture", "--concept", CONCEPT, "--axis", "gender", "--plan", tmp_path / "p.safetensors",
              "-n", 512, "--batch-size", 128, "--seed", 100, *FAST)  # fmt: skip
    assert ran.code == 0, ran.err
    shift = made.interventions[1].shifts[0].added
    expected = (shares(CONCEPT, "gender")["woman"] + shares(CONCEPT, "gender", shift)["woman"]) / 2
    assert [a["intervention"] for a in ran.json["audits"]] == [made.name]
    found = ran.json["audits"][0]["classes"]["woman"]
    assert abs(found["share"] - expected) < 4 * np.sqrt(0.25 / 512)
    assert ran.json["plan"]["digest"] == made.digest
    assert ran.err == ""


def test_generate_takes_a_plan(cli: Callable, tmp_path: Path) -> None:
    of_the_mixture().save(tmp_path / "p.safetensors")
    flags = ("--plan", tmp_path / "p.safetensors", "--batch-size", 4, *FAST)
    concepts = ("--concept", CONCEPT, "--concept", "a photo of a woman doctor")
    ran = cli("generate", "mixture", *concepts, *flags, "-n", 10, "--seed", 5, "-o", tmp_path / "run")
    assert ran.code == 0, ran.err
    names = [image["intervention"] for image in ran.json["images"]]
    assert Counter(names[:10]) == {"none": 5, "woman@T=2": 5}
    assert set(names[10:]) == {"none"}
    assert [entry["touched"] for entry in ran.json["plan"]["gate"]] == [True, False]
    assert "'a photo of a woman doctor' goes through untouched: 'a photo of a woman' names gender 'woman'" in ran.err
    assert ran.err.count("seeds (from") == 2  # those of the direction, and those of the plan
    plain = ("--batch-size", 4, *FAST)
    bare = cli("generate", "mixture", *concepts, *plain, "-n", 10, "--seed", 5, "-o", tmp_path / "b")
    same = [
        Path(a["file"]).read_bytes() == Path(b["file"]).read_bytes()
        for a, b in zip(ran.json["images"], bare.json["images"], strict=True)
    ]
    assert same == [name == "none" for name in names]
    mixed = cli("generate", "mixture", *concepts, *flags, "-n", 10, "--seed", 5, "-o", tmp_path / "b")
    assert mixed.code == 2
    assert "another plan" in mixed.err


def test_the_command_line_refuses_in_one_line(cli: Callable, tiny: Path, tmp_path: Path) -> None:
    file, direction = tmp_path / "p.safetensors", f"{tmp_path / 'd.safetensors'}:woman@T=1"
    of_the_mixture("any").save(file)
    DirectionSet(of_the_mixture().directions).save(tmp_path / "d.safetensors")
    (tmp_path / "labels.csv").write_text("concept,axis,class,count\na,gender,woman,3\n")
    for arguments, message in [
        (("generate", "mixture", "--plan", file, "--direction", direction, "-o", tmp_path / "o"), "or --plan"),
        (("audit", "mixture", "--axis", "gender", "--plan", tmp_path / "none"), "no such file"),
        (("audit", tmp_path / "labels.csv", "--axis", "gender", "--plan", file), "--plan is for audits of a model"),
        (("generate", tiny, "--plan", file, "-o", tmp_path / "o"), "has shape"),
    ]:
        concept = () if arguments[1] == tmp_path / "labels.csv" else ("--concept", CONCEPT)
        ran = cli(*arguments, *concept, *(() if not concept else ("-n", 2)))
        assert ran.code == 2, ran.err
        assert message in ran.err
        assert ran.err.count("\n") == 1
