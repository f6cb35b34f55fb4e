"""The record of one image, and the run that holds them: on disk or in memory, written and read by the same types.

A run is a folder that other tools open: `images/` with a `metadata.jsonl` beside them (the imagefolder convention of
the datasets library) and `run.json` with every argument, package versions and typed results. Nothing in a run depends
on the time of day.
"""

from equinoise.run.file import (
    METADATA,
    ROLE,
    VERSION,
    Json,
    RunContent,
    RunFile,
    environment,
    read_content,
    read_records,
    read_run_file,
    rewrite_records,
    run_file,
    write_run_file,
)
from equinoise.run.folder import RunFolder, png, require_empty, require_same, start_run
from equinoise.run.memory import PREVIEWS, MemoryRun
from equinoise.run.records import UNTOUCHED, Kept, Record

__all__ = [
    "METADATA",
    "PREVIEWS",
    "ROLE",
    "UNTOUCHED",
    "VERSION",
    "Json",
    "Kept",
    "MemoryRun",
    "Record",
    "RunContent",
    "RunFile",
    "RunFolder",
    "environment",
    "png",
    "read_content",
    "read_records",
    "read_run_file",
    "require_empty",
    "require_same",
    "rewrite_records",
    "run_file",
    "start_run",
    "write_run_file",
]
