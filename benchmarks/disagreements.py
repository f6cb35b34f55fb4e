"""How often disagreements of encoder and images are reported that do not exist, and how often those that do are found.

    python -m benchmarks.disagreements       500 worlds a row, a few minutes on one core; resumes

A world is sampled on the mixture: pictures of buildings of four kinds with chosen shares, read by the mixture's own
detector, and a text encoder in which the concept has chosen cosines with the kinds (`MixtureEncoder`), each wording
with a little noise of its own. Worlds of more attributes consist of counts alone: images show each attribute
independently, with a chosen probability.

`any` is the share of worlds in which some pair was reported, `wrong` the share in which a pair was reported that was
not planted, `power` the share in which the planted pair was reported (with unrelated orders: of all pairs that are
reversed by 20 points or more, the share that was reported). `BY` is the same by the procedure of Benjamini and
Yekutieli over all pairs, each with the larger p-value of its two claims. In the worlds "on the same images" the
relation is measured on the images that are counted, in the worst way: an attribute is the closer, the more rarely these
images happen to show it.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.common import keep
from emoji_world.tables import RESULTS, Row, show
from equinoise.axes import load_axis
from equinoise.models.mixture import MixtureEncoder
from equinoise.models.mixture.detector import classes
from equinoise.models.mixture.prompts import subject_law
from equinoise.models.mixture.world import AXES, COORDINATES, SPREAD, MixtureSubject, ShareTable
from equinoise.statistics import Interval, wilson
from equinoise.understanding.disagreements import Disagreements, Relation, find_disagreements
from equinoise.understanding.relations import TextRelation, VisionRelation, relate_texts
from equinoise.understanding.wordings import WORDINGS, Attribute

CONCEPT = "a photo of a building"
ALPHA = 0.05
FAR = 0.2
KINDS = ("hut", "derelict", "house", "mansion")
PHRASES = ("hut", "derelict house", "house", "mansion")
REFERENCE = ("a doctor", "a teacher", "an engineer", "a farmer", "a person", "a woman", "a man")
JITTER = 0.05
"""Length of the noise that each text adds to its unit vector: differences of cosines vary by about as much as in small
sentence encoders between wordings."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Chosen cosines with the concept, and chosen shares; `planted` are the pairs (closer, yet rarer)."""

    cosines: tuple[float, ...]
    shares: tuple[float, ...]

    def planted(self, gap: float = 1e-9) -> set[tuple[int, int]]:
        """Ordered pairs on which the two disagree, by a gap in shares."""
        k = range(len(self.cosines))
        return {
            (i, j) for i in k for j in k if self.cosines[i] > self.cosines[j] and self.shares[i] < self.shares[j] - gap
        }


class Worded:
    """An encoder that adds a little noise to the vector of each text, always the same for the same text."""

    def __init__(self, encoder: MixtureEncoder, seed: int) -> None:
        self.encoder, self.seed = encoder, seed

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""
        plain = self.encoder.texts(texts)
        noise = np.stack([self._noise(text, plain.shape[1]) for text in texts])
        moved = plain + JITTER * noise / np.sqrt(plain.shape[1])
        unit: NDArray[np.float32] = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def _noise(self, text: str, size: int) -> Array:
        return np.random.default_rng((self.seed, zlib.crc32(text.encode()))).standard_normal(size)


def relation_of(world: World, seed: int) -> TextRelation:
    """On the mixture's encoder with the cosines of the world, as `equinoise relate` measures it."""
    chosen = {("building", kind): cosine for kind, cosine in zip(KINDS, world.cosines, strict=True)}
    entries = [Attribute.named(phrase, CONCEPT) for phrase in PHRASES]
    return relate_texts(Worded(MixtureEncoder(chosen), seed), CONCEPT, entries, reference=REFERENCE)


def pictures_of(world: World, n: int, rng: np.random.Generator) -> Array:
    """(n, 4): which kind each picture shows, read off its coordinates by the mixture's detector; unclear is NaN."""
    subject = MixtureSubject(("building",), (ShareTable(("house",), world.shares),))
    y = np.zeros((len(COORDINATES), n))
    for block in subject_law("building", subject):
        component = rng.choice(len(block.weights), size=n, p=block.weights)
        rows = [COORDINATES.index(name) for name in block.coordinates]
        y[rows] = (block.means[component] + SPREAD * rng.standard_normal((n, len(rows)))).T
    posterior = classes(y, "house").T
    order = [AXES["house"].classes.index(kind) for kind in load_axis("house").classes]
    shown = (posterior[:, order] >= 0.6).astype(np.float64)
    shown[shown.sum(axis=1) == 0] = np.nan
    return shown


def of_counts(world: World, seed: int) -> TextRelation:
    """Cosines without an encoder, which vary from wording to wording as those of `relation_of` do."""
    noise = np.random.default_rng((seed, 1)).normal(0, JITTER / 4, (len(WORDINGS), len(world.cosines)))
    values = np.asarray(world.cosines) + noise
    return TextRelation(values + 0.5, values)


def shown_alone(world: World, n: int, rng: np.random.Generator) -> Array:
    """(n, k): which attributes each image shows, independently of each other."""
    return (rng.random((n, len(world.shares))) < np.asarray(world.shares)).astype(np.float64)


WorldSampler = Callable[[np.random.Generator], World]


def agreeing(k: int, exclusive: bool) -> WorldSampler:
    """Worlds in which attributes have the same order by cosine and by share."""

    def sample(rng: np.random.Generator) -> World:
        shares = np.sort(rng.dirichlet(np.ones(k)) if exclusive else rng.uniform(0.05, 0.7, k))
        return _world(np.sort(rng.uniform(0.2, 0.5, k)), shares)

    return sample


def even_counts(k: int, exclusive: bool) -> WorldSampler:
    """The hardest agreement for the counts: relations differ, shares are all the same."""
    return lambda rng: _world(rng.uniform(0.2, 0.5, k), np.full(k, 1 / k if exclusive else 0.3))


def even_cosines(k: int, exclusive: bool) -> WorldSampler:
    """The hardest agreement for the relation: shares differ, cosines are all the same."""

    def sample(rng: np.random.Generator) -> World:
        shares = rng.dirichlet(np.ones(k)) if exclusive else rng.uniform(0.05, 0.7, k)
        return _world(np.full(k, 0.35), shares)

    return sample


def unrelated(k: int, exclusive: bool) -> WorldSampler:
    """Two orders that have nothing to do with each other: many pairs are reversed."""
    return lambda rng: _world(rng.uniform(0.2, 0.5, k), rng.uniform(0.05, 0.7, k))


def reversed_pair(k: int, exclusive: bool, low: float, gap: float = 0.2, apart: float = 0.1) -> WorldSampler:
    """One pair reversed by `gap` in share, `apart` in cosine; all others lie between and are no further apart."""

    def sample(rng: np.random.Generator) -> World:
        rest = np.full(k - 2, (1 - 2 * low - gap) / max(1, k - 2) if exclusive else low)
        cosines = np.full(k - 2, 0.3) - np.arange(k - 2) * 1e-3 * (not exclusive)
        return _world(np.array([0.3 + apart, 0.3, *cosines]), np.array([low, low + gap, *rest]))

    return sample


def _world(cosines: Array, shares: Array) -> World:
    return World(tuple(map(float, cosines)), tuple(map(float, shares)))


def rarer_is_closer(shown: Array, seed: int) -> Relation:
    """A relation measured on the images that are counted: closer is what they show more rarely."""
    k = shown.shape[1]
    attributes = np.eye(k)[:, None] + np.random.default_rng((seed, 2)).normal(0, 0.01, (k, 20, k))
    return Relation.in_images(VisionRelation((1 - shown) / np.sqrt(k), attributes))


def reported(result: Disagreements) -> Pairs:
    """As `equinoise disagreements` reports."""
    return {(finding.pair.first, finding.pair.second) for finding in result.findings}


def reported_by(result: Disagreements) -> Pairs:
    """By Benjamini and Yekutieli over all pairs."""
    p = [max(pair.p_relation, pair.counts.p_less) for pair in result.pairs]
    adjusted = stats.false_discovery_control(p, method="by")
    return {(pair.first, pair.second) for pair, q in zip(result.pairs, adjusted, strict=True) if q <= ALPHA}


Pairs = set[tuple[int, int]]


@dataclass
class Tally:
    """What one procedure reported in all worlds so far."""

    anything: int = 0
    wrong: int = 0
    found: int = 0
    wanted: int = 0

    def add(self, reported: Pairs, world: World, looked_for: Pairs) -> None:
        """Count what was reported in a world; `looked_for`: the pairs that should be."""
        self.anything += bool(reported)
        self.wrong += bool(reported - world.planted())
        self.found += len(reported & looked_for)
        self.wanted += len(looked_for)

    def row(self, worlds: int, prefix: str = "") -> Row:
        """Shares with their 95% intervals; pairs of one world are not independent, so many of them have none."""
        power = _share(self.found, self.wanted) if self.wanted == worlds else _alone(self.found, self.wanted)
        return {
            f"{prefix}any": _share(self.anything, worlds), f"{prefix}wrong": _share(self.wrong, worlds),
            f"{prefix}power": power,
        }  # fmt: skip


def _share(count: int, n: int) -> str:
    low, high = wilson(count, n) if n else Interval(0, 1)
    return f"{count / n:.3f} ({low:.3f}–{high:.3f})"


def _alone(count: int, n: int) -> str:
    return f"{count / n:.3f} of {n}" if n else "–"


def measure(s: Setting, worlds: int) -> Row:
    """One row of the table."""
    ours, theirs, tested = Tally(), Tally(), 0
    for seed in range(worlds):
        rng = np.random.default_rng((seed, s.n))
        world = s.sample(rng)
        shown = pictures_of(world, s.n, rng) if s.on == "mixture" else shown_alone(world, s.n, rng)
        relation = _relation(s, world, shown, seed)
        result = find_disagreements(CONCEPT, [str(i) for i in range(s.k)], relation, shown, ALPHA)
        looked_for = {s.pair} if s.pair else world.planted(FAR)
        ours.add(reported(result), world, looked_for)
        theirs.add(reported_by(result), world, looked_for)
        tested = len(result.pairs)
    about: Row = {"world": s.name, "on": s.on, "pairs": tested, "n": s.n}
    return {**about, **ours.row(worlds), **theirs.row(worlds, "BY: "), "worlds": worlds}


def _relation(s: Setting, world: World, shown: Array, seed: int) -> Relation:
    if s.on == SAME_IMAGES:
        return rarer_is_closer(shown, seed)
    return Relation.in_texts(relation_of(world, seed) if s.on == "mixture" else of_counts(world, seed))


SAME_IMAGES = "the same images"


@dataclass(frozen=True)
class Setting:
    """What one row measures."""

    name: str
    sample: WorldSampler
    k: int
    n: int
    on: str
    pair: tuple[int, int] | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies a row that was measured before."""
        return (self.name, self.on, self.k * (self.k - 1) // 2, self.n)


def settings() -> list[Setting]:
    """The table: worlds that agree, worlds with one reversed pair 20 points apart, and worlds with many."""
    sizes = ((4, "mixture"), (10, "counts"), (20, "counts"))
    found = [
        Setting(name, make(k, on == "mixture"), k, 200, on)
        for k, on in sizes
        for name, make in (("agree", agreeing), ("shares even", even_counts), ("cosines even", even_cosines))
    ]
    found += [Setting("all even", even_counts(k, False), k, 200, SAME_IMAGES) for k in (4, 10, 20)]
    for k, n, on in ((4, 100, "mixture"), (4, 200, "mixture"), (4, 400, "mixture"), (10, 200, "counts")):
        found += [_reversed(k, n, on, low) for low in (0.02, 0.1, 0.2)]
    found += [_reversed(20, 200, "counts", low) for low in (0.02, 0.1, 0.2)]
    return found + [Setting("orders unrelated", unrelated(k, False), k, 200, "counts") for k in (10, 20)]


def _reversed(k: int, n: int, on: str, low: float) -> Setting:
    name = f"reversed, {low:.0%} against {low + 0.2:.0%}"
    return Setting(name, reversed_pair(k, on == "mixture", low), k, n, on, (0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--afresh", action="store_true", help="measure rows again that results/disagreements.json has")
    args = parser.parse_args()
    kept = RESULTS / "disagreements.json"
    before = [] if args.afresh or not kept.exists() else json.loads(kept.read_text())
    done = {(r["world"], r["on"], r["pairs"], r["n"]): r for r in before if r["worlds"] == args.worlds}
    wanted = settings()
    for s in wanted:
        if s.key not in done:
            done[s.key] = measure(s, args.worlds)
            keep([done[other.key] for other in wanted if other.key in done], "disagreements")  # it takes minutes
    show([done[s.key] for s in wanted])


if __name__ == "__main__":
    main()
