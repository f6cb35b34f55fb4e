"""A number with its interval and its target: what charts and tables are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from equinoise.charts.numbers import percent, span


@dataclass(frozen=True)
class Bar:
    """A number with its interval and, where there is one, what is wanted of it.

    Attributes:
        text: shown on touch; without it a share's percentage and interval are.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    text: str = ""

    @property
    def above(self) -> float:
        """From the value to the upper end of the interval; 0 where there is no interval."""
        return 0.0 if self.high is None or self.value is None else abs(self.high - self.value)

    @property
    def below(self) -> float:
        """From the lower end of the interval to the value; 0 where there is no interval."""
        return 0.0 if self.low is None or self.value is None else abs(self.value - self.low)

    @property
    def said(self) -> str:
        """The text, else `12% (8–18%)`."""
        return self.text or f"{percent(self.value)} ({span(self.low, self.high)})"
