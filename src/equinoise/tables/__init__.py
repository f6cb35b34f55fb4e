"""Tables that people and other tools write: read strictly, in one place, whatever they hold."""

from equinoise.tables.counted import CountedTable, read_counted
from equinoise.tables.numbers import number
from equinoise.tables.rows import TableRow, read_rows

__all__ = ["CountedTable", "TableRow", "number", "read_counted", "read_rows"]
