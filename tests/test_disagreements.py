"""Relation against frequency: the tests hold, identities hold, and a planted disagreement is found."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from equinoise import statistics
from equinoise.errors import EquinoiseError
from equinoise.results.disagreements import DisagreementsResult
from equinoise.understanding.disagreements import Relation, find_disagreements
from equinoise.understanding.relations import TextRelation, VisionRelation


def cosines(*values: float, wordings: int = 12, spread: float = 0.01, seed: int = 0) -> TextRelation:
    noise = np.random.default_rng(seed).normal(0, spread, (wordings, len(values)))
    return TextRelation(np.asarray(values) + 0.4 + noise, np.asarray(values) + noise)


def columns(n: int, *counts: int, seed: int = 0) -> np.ndarray:
    """Exclusive classes in random order of the images."""
    labels = np.repeat(np.arange(len(counts) + 1), [*counts, n - sum(counts)])
    np.random.default_rng(seed).shuffle(labels)
    return (labels[:, None] == np.arange(len(counts))).astype(float)


def test_a_reversed_pair_is_found_and_said_in_words() -> None:
    found = find_disagreements(
        "a man and his house",
        ["mud hut", "mansion", "car"],
        Relation.in_texts(cosines(0.3, 0.2, 0.1)),
        columns(100, 3, 41, 2),
    ).result()
    assert found.tested == 3
    (finding,) = found.findings
    assert (finding.attribute, finding.than) == ("mud hut", "mansion")
    assert (finding.share, finding.share_than) == (0.03, 0.41)
    assert finding.low is not None
    assert finding.low > 0
    assert finding.share_difference == pytest.approx(-0.38)
    assert finding.share_high < 0
    assert finding.p_adjusted < 1e-6
    assert finding.sentence.startswith("'mud hut' is closer to 'a man and his house' than 'mansion' in the text")
    assert finding.sentence.endswith("yet 3 of 100 images show one against 41.")
    assert not {"space", "encoder_name", "skipped"} & found.to_json().keys()  # those of a run
    assert DisagreementsResult.from_json(found.to_json(), "here") == found
    assert len(found.to_frame()) == 1
    assert "1 of 3 pairs disagree" in str(found)
    symbols = {trace.marker.symbol: len(trace.x) for trace in found.plot().data}
    assert symbols == {"diamond": 2, "circle": 1}


def test_both_directions_and_agreement() -> None:
    shown = columns(100, 3, 41)
    assert not find_disagreements("c", ["a", "b"], Relation.in_texts(cosines(0.1, 0.3)), shown).findings
    (finding,) = find_disagreements("c", ["a", "b"], Relation.in_texts(cosines(0.1, 0.3)), columns(100, 41, 3)).findings
    assert (finding.pair.first, finding.pair.second) == (1, 0)


def test_neither_claim_alone_is_a_finding() -> None:
    sure, even = Relation.in_texts(cosines(0.3, 0.1)), Relation.in_texts(cosines(0.2, 0.2, spread=0.05))
    assert not find_disagreements("c", ["a", "b"], even, columns(200, 10, 120)).findings  # as close as each other
    assert not find_disagreements("c", ["a", "b"], sure, columns(200, 60, 62)).findings  # as frequent as each other


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_the_paired_test_is_mcnemars(only_a: int, only_b: int, both: int) -> None:
    rows = np.array([[1, 0]] * only_a + [[0, 1]] * only_b + [[1, 1]] * both + [[0, 0]], float)
    found = statistics.count_pair(rows, 0, 1)
    assert (found.first, found.second) == (only_a + both, only_b + both)
    n = only_a + only_b
    assert found.p_less == pytest.approx(stats.binomtest(only_a, n, alternative="less").pvalue if n else 1)
    two_sided = mcnemar([[both, only_a], [only_b, 1]], exact=True).pvalue
    if only_a < only_b:
        assert min(1, 2 * found.p_less) == pytest.approx(two_sided)


def test_unclear_images_count_for_no_pair_that_needs_them() -> None:
    rows = columns(50, 10, 30)
    rows[:5, 0] = np.nan
    found = statistics.count_pair(rows, 0, 1)
    assert found.n == 45
    whole = find_disagreements("c", ["a", "b"], Relation.in_texts(cosines(0.3, 0.1)), rows).result()
    assert [entry.n for entry in whole.attributes] == [45, 50]


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=12))
def test_the_adjustment_is_holms(p: list[float]) -> None:
    with mock.patch("gc.collect"):  # statsmodels collects garbage each time, which takes long beside torch
        assert statistics.holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert statistics.holm([]) == []


def test_only_established_relations_are_paid_for() -> None:
    """Of three pairs one relation is sure: its counts are tested alone; with the same images, among all six orders."""
    counts = [statistics.count_pair(columns(200, 40, 70), 0, 1)] * 3
    p = counts[0].p_less
    assert statistics.adjust_reversals([1e-6, 0.02, 0.9], counts, True) == [pytest.approx(p / 0.8), None, None]
    family = multipletests([p] * 3 + [counts[0].p_more] * 3, method="holm")[1]
    found = statistics.adjust_reversals([1e-6, 0.02, 0.9], counts, False)
    assert found == [pytest.approx(family[0] / 0.8), None, None]
    assert statistics.adjust_reversals([0.0033, 0.0034], counts[:2], True)[1] is not None
    assert statistics.adjust_reversals([0.0051, 0.9], counts[:2], True) == [None, None]


@given(
    st.lists(
        st.tuples(st.floats(0, 0.01, allow_subnormal=False), st.integers(0, 60), st.integers(0, 60)),
        min_size=1,
        max_size=8,
    )
)
def test_other_images_never_make_a_finding_less_sure(rows: list[tuple[float, int, int]]) -> None:
    relation = [p for p, _, _ in rows]
    counts = [statistics.PairCount(a + b + 5, a, b, a, b) for _, a, b in rows]
    apart, same = (statistics.adjust_reversals(relation, counts, independent) for independent in (True, False))
    for one, other, c in zip(apart, same, counts, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert min(1, c.p_less) <= one <= other


def test_rank_agreement_against_scipy_and_at_the_ends() -> None:
    rng = np.random.default_rng(1)
    shown = (rng.random((300, 6)) < np.linspace(0.1, 0.8, 6)).astype(float)
    relation = Relation.in_texts(cosines(0.1, 0.3, 0.2, 0.4, 0.5, 0.6))
    value, interval = statistics.rank_agreement(relation.values, relation.resamples(), shown)
    assert value == pytest.approx(stats.spearmanr(relation.values, shown.mean(axis=0)).statistic)
    assert interval is not None
    assert interval.low <= value <= interval.high
    assert statistics.rank_agreement([1, 2], np.ones((9, 2)), np.ones((5, 2))) == (None, None)


def test_images_are_compared_on_the_same_seeds() -> None:
    """What all attributes share with a seed cancels: the difference is surer than the two relations are."""
    rng = np.random.default_rng(2)
    concept = rng.normal(0, 0.1, (40, 8)) + np.eye(8)[0]
    common = rng.normal(0, 0.5, (40, 8))
    found = VisionRelation(concept, np.stack([common + np.eye(8)[0] * level for level in (0.6, 0.5)]))
    alone, apart = found.one(0), found.difference(0, 1)
    assert alone.interval is not None
    assert apart.interval is not None
    assert apart.value == pytest.approx(found.values[0] - found.values[1])
    assert apart.value == pytest.approx(0.1 * concept.mean(axis=0)[0])
    assert apart.interval.high - apart.interval.low < (alone.interval.high - alone.interval.low) / 5
    assert apart.clear
    said = find_disagreements("c", ["a", "b"], Relation.in_images(found), columns(100, 5, 40)).result()
    assert "vision encoder" in said.findings[0].sentence


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(EquinoiseError, match="at least two"):
        find_disagreements("c", ["a"], Relation.in_texts(cosines(0.1)), columns(5, 2))
    one = VisionRelation(np.ones((1, 2)), np.ones((2, 1, 2)))
    assert one.one(0).interval is None
    with pytest.raises(EquinoiseError, match="no interval"):
        find_disagreements("c", ["a", "b"], Relation.in_images(one), columns(5, 2, 1))
