"""The bare model: what every method is held against."""

from __future__ import annotations

from equinoise.methods.base import Brief, Method, Prepared, Setup


def prepare_untouched(brief: Brief, setup: Setup, strength: float | None) -> Prepared:
    """Nothing is changed.

    Set-up: none.
    """
    return Prepared(lambda seeds: [brief.job(seed) for seed in seeds])


BARE_MODEL = Method(
    name="untouched",
    title="untouched",
    source="the model itself",
    changes="nothing",
    published=None,
    strengths=(),
    prepare=prepare_untouched,
)
