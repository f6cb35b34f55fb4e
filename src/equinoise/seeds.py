"""Default seeds: each kind of work has a range of its own, so that nothing is judged on the images it was made from."""

from __future__ import annotations

from collections.abc import Iterable

from equinoise.errors import EquinoiseError

AUDIT = 0
COLLECT = 1_000_000
DETECTED = 2_000_000
PILOT = 3_000_000
VERIFY = 4_000_000
GENERATE = 5_000_000
RELATE = 6_000_000
ATTRIBUTES = 7_000_000
BANK = 8_000_000
NAMED = 9_000_000


MOST = 10_000_000


def seed_range(first: int, n: int, flag: str = "-n") -> list[int]:
    """n seeds from the first.

    Raises:
        EquinoiseError: n is not positive or absurdly large, or a seed would not fit a torch generator.
    """
    if n < 1:
        raise EquinoiseError(f"{flag} {n}: at least one image is needed")
    if n > MOST:
        raise EquinoiseError(f"{flag} {n}: more than {MOST:,} images at once; make several runs")
    if first < 0 or first + n > 2**63:
        raise EquinoiseError(f"--seed {first}: seeds go from 0 to 2**63")
    return list(range(first, first + n))


def overlap(seeds: Iterable[int], used: Iterable[int]) -> str | None:
    """A warning where images are judged on seeds that something was learnt from; None where they are not."""
    both = sorted(set(seeds) & set(used))
    if not both:
        return None
    return f"{len(both)} seeds (from {both[0]}) were also used to make the direction: the result flatters it"
