"""What all results share: frozen, typed, in JSON, as a table, as a chart, and the run that they were counted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from equinoise.errors import EquinoiseError
from equinoise.files import readable, typed
from equinoise.results.tables import Row, TextTable
from equinoise.run import RunContent

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


ROUNDING = 1e-9
"""By how much a number may miss its bound, since sums of shares are rounded."""

Count = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Number = Annotated[float, Field(strict=True)]
"""No text, no truth value, and finite."""
Share = Annotated[Number, Field(ge=-ROUNDING, le=1 + ROUNDING)]
Difference = Annotated[Number, Field(ge=-1 - ROUNDING, le=1 + ROUNDING)]


class Value(BaseModel):
    """A part of a result. Its fields are its JSON keys.

    `ABSENT`: key → the field that must be there for the key to be in the JSON (often the same); other keys are null.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, allow_inf_nan=False
    )
    ABSENT: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _readable(cls, fields: Any) -> Any:
        """Names of files and folders need not be UTF-8, and must not cost a finished result."""
        return readable(fields)

    @model_serializer(mode="wrap")
    def _without_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        absent = {key for key, needed in self.ABSENT.items() if getattr(self, needed) is None}
        return {key: value for key, value in dump(self).items() if key not in absent}

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it with `--json`."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_json(cls, content: object, where: str) -> Self:
        """What `to_json` gave.

        Raises:
            EquinoiseError: something else; `where` says what it was read from.
        """
        return typed(cls, content, where)


def require_order(what: str, *numbers: float | None) -> None:
    """Check that a lower bound, a number and an upper bound stand in this order; None stands anywhere.

    Raises:
        ValueError: they do not.
    """
    known = [number for number in numbers if number is not None]
    if any(first > second + ROUNDING for first, second in pairwise(known)):
        raise ValueError(f"{what} does not lie between its bounds: {', '.join(map(str, known))}")


class Result(Value):
    """What a verb returns: in JSON, as a data frame, as a figure, as a table in a terminal or a notebook."""

    _run: RunContent | None = PrivateAttr(default=None)

    @property
    def run(self) -> RunContent:
        """The images that the result was counted on: the record of each, and the pictures, in a folder or in memory.

        Raises:
            EquinoiseError: the result was made from counts or read from JSON, so that there are no images.
        """
        if self._run is None:
            raise EquinoiseError("this result holds no images: it was made from counts, or read from JSON alone")
        return self._run

    @property
    def has_run(self) -> bool:
        """Whether there are images behind the result."""
        return self._run is not None

    def with_run(self, run: RunContent) -> Self:
        """The same result with the run that it was counted on."""
        copy = self.model_copy()
        copy._run = run
        return copy

    def table(self) -> TextTable:
        """For people."""
        raise NotImplementedError

    def rows(self) -> Sequence[Row]:
        """A row a number, for `to_frame`."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame, a row a number."""
        import pandas as pd

        return pd.DataFrame(list(self.rows()))

    def plot(self) -> go.Figure:
        """A plotly figure."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        """Whether the two say the same, wherever their images are."""
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().to_html()
