"""Every kind of file that is read: which file is changed, how, and which commands then read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.fuzz.binary import mutate_npy, mutate_picture, mutate_tensors
from benchmarks.fuzz.fixtures import ALONE, DOCTOR, GENDER, STEPS
from benchmarks.fuzz.text import Mutation, mutate_csv, mutate_json, mutate_json_lines, mutate_toml, mutate_words

Command = tuple[str, ...]
EMOJI = ("--detector", "emoji")
DRY = ("--dry-run",)
NEW = ("-o", "new")
SMALL = ("-n", "1", *ALONE, *NEW)
LIMIT = ("--max-spd", "0.5")
PREVIEWED = (*DOCTOR, *STEPS, *DRY)
"""A dry run reads every file, and makes no image."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: for the table and `--only`.
        fixture: the folder of `fixtures` that is copied.
        files: patterns of the files below it of which one is changed.
        mutate: how.
        commands: of which one is run, in the copy; a command that comes twice is run twice as often.
    """

    name: str
    fixture: str
    files: tuple[str, ...]
    mutate: Mutation
    commands: Sequence[Command]


READ_RUN: Sequence[Command] = (
    ("audit", "run", *GENDER),
    ("audit", "run/images", *GENDER, *NEW),
    ("audit", "run", *GENDER, "--detector", "mixture", *NEW),
    ("audit", "run", "other", *GENDER),
    ("check", "run", *LIMIT),
    ("check", "run/run.json", *LIMIT),
    ("report", "run", "-o", "new.html"),
    ("quality", "run", "--against", "other"),
    ("detect", "run", "--objects", *EMOJI),
    ("audit", "mixture", *DOCTOR, *GENDER, "-n", "4", *ALONE, "-o", "run"),
)
READ_STUDY: Sequence[Command] = (
    ("report", "run", "-o", "new.html"),
    ("disagreements", "run"),
    ("detect", "run", "--objects", *EMOJI),
    ("check", "run", *LIMIT),
    ("relate", "mixture", *DOCTOR, "--attributes", "attributes.txt", "-n", "4", *ALONE, "-o", "run"),
)

LABELS = ("audit", "labels.csv", *GENDER)
COLLECT = ("collect", "mixture", *GENDER, "-n", "2", "--capture", "0", *ALONE, *STEPS, "-o", "traces")
PLAN = ("plan", "mixture", *PREVIEWED, "-o", "new.safetensors", "--target")
RELATE = ("relate", "mixture", *DOCTOR, "-n", "0")


def _of_runs() -> list[Kind]:
    begun = [("audit", "csv", *GENDER, "-o", "run")]
    return [
        Kind("run.json", "run", ("run/run.json",), mutate_json, READ_RUN),
        Kind("run metadata", "run", ("run/images/metadata.jsonl",), mutate_json_lines, READ_RUN),
        Kind("run pictures", "run", ("run/images/*.png",), mutate_picture, READ_RUN),
        Kind("journal", "begun", ("run/journal.jsonl",), mutate_json_lines, begun),
        Kind("run.partial.json", "begun", ("run/run.partial.json",), mutate_json, begun),
        Kind("collect.partial.json", "begun_traces", ("traces/collect.partial.json",), mutate_json, [COLLECT]),
        Kind("parts of traces", "begun_traces", ("traces/parts/*.safetensors",), mutate_tensors, [COLLECT]),
        Kind("study run.json", "study", ("run/run.json",), mutate_json, READ_STUDY),
        Kind("objects.json", "study", ("run/objects.json",), mutate_json, READ_STUDY),
        Kind("relations.json", "study", ("run/relations.json",), mutate_json, READ_STUDY),
        Kind("disagreements.json", "study", ("run/disagreements.json",), mutate_json, READ_STUDY[:1]),
        Kind("relations", "study", ("run/relations.safetensors",), mutate_tensors, READ_STUDY),
        Kind("audit.json", "tables", ("audit.json",), mutate_json, [("check", "audit.json", *LIMIT)]),
    ]


def _of_folders() -> list[Kind]:
    found = []
    for name, file, mutate in (
        ("metadata.csv", "csv/metadata.csv", mutate_csv),
        ("metadata.jsonl", "jsonl/metadata.jsonl", mutate_json_lines),
    ):
        folder = file.partition("/")[0]
        audit = ("audit", folder, *GENDER)
        commands = (audit, audit, (*audit, *NEW), (*audit, *EMOJI), (*audit, "--axis", "tone", *EMOJI))
        found.append(Kind(name, "folders", (file,), mutate, commands))
    plain = ("audit", "plain", *GENDER, *EMOJI)
    calibrate = ("calibrate-detector", "sorted", *GENDER, *EMOJI, "-o", "new.csv")
    sort = ("sorted/woman/*.png", "sorted/man/*.png")
    return [
        *found,
        Kind("pictures", "folders", ("plain/*.png",), mutate_picture, [plain, (*plain, *NEW)]),
        Kind("pictures of classes", "tables", sort, mutate_picture, [calibrate]),
    ]


def _of_tables() -> list[Kind]:
    hats = ("--axis", "hat", "--classes", "hat,bare")
    labels = [LABELS, (*LABELS, *NEW), (*LABELS, *hats), (*LABELS, "--target", "gender=uniform")]
    corrected = {kind: [(*LABELS, "--confusion", f"confusion.{kind}")] for kind in ("csv", "json")}
    shares = [(*PLAN, "shares.csv"), (*PLAN, "gender=shares.csv")]
    hat = [
        ("audit", "labels.csv", "--axis", "hat.toml"),
        (*PLAN, "hat.toml=uniform"),
        ("audit", "plain", "--axis", "hat.toml", *EMOJI),
        ("collect", "mixture", "--axis", "hat.toml", *DRY, *DOCTOR, "-o", "new"),
    ]
    worded = {
        file: [(*RELATE, "--attributes", file), (*RELATE, "--attributes", file, *DRY)]
        for file in ("attributes.txt", "attributes.toml")
    }
    merged = [("detect", "run", "--objects", *EMOJI, "--table", "merge.csv")]
    neutral = [(*RELATE, "--attributes", "attributes.txt", "--reference", "reference.txt")]
    reference = [(*LABELS, "--reference", "reference.csv")]
    detector = [("audit", "plain", *GENDER, "--detector", "detector.toml")]
    return [
        Kind("labels", "tables", ("labels.csv",), mutate_csv, labels),
        Kind("reference table", "tables", ("reference.csv",), mutate_csv, reference),
        Kind("target table", "tables", ("shares.csv",), mutate_csv, shares),
        Kind("joint target table", "tables", ("joint.csv",), mutate_csv, [(*PLAN, "gender*age=joint.csv")]),
        Kind("confusion table", "tables", ("confusion.csv",), mutate_csv, corrected["csv"]),
        Kind("calibration", "tables", ("confusion.json",), mutate_json, corrected["json"]),
        Kind("merging table", "study", ("merge.csv",), mutate_csv, merged),
        Kind("axis", "tables", ("hat.toml",), mutate_toml, hat),
        Kind("detector", "tables", ("detector.toml",), mutate_toml, detector),
        Kind("attributes.txt", "tables", ("attributes.txt",), mutate_words, worded["attributes.txt"]),
        Kind("attributes.toml", "tables", ("attributes.toml",), mutate_toml, worded["attributes.toml"]),
        Kind("reference phrases", "tables", ("reference.txt",), mutate_words, neutral),
    ]


def _of_arrays() -> list[Kind]:
    new = ("-o", "new.safetensors")
    fit = ("fit", "traces", *new, "--permutations", "1", "--estimator")
    fits: list[Command] = [(*fit, estimator) for estimator in ("svm", "mean", "paired", "paired")]
    directions: list[Command] = [
        ("sweep", "mixture", *PREVIEWED, "--direction", "directions.safetensors:woman"),
        ("export-direction", "directions.safetensors:woman@0", "-o", "new.npy"),
        (*fit, "paired", "--orthogonal-to", "directions.safetensors:woman"),
        ("generate", "mixture", *DOCTOR, *STEPS, "--direction", "directions.safetensors:woman@0=1", *SMALL),
        (*PLAN, "gender=uniform", "--direction", "directions.safetensors"),
    ]
    planned = ("mixture", *DOCTOR, *STEPS, "--plan", "plan.safetensors")
    plans: list[Command] = [
        ("audit", *planned, *GENDER, "-n", "2", *DRY),
        ("generate", *planned, *DRY, *NEW),
        ("generate", *planned, *SMALL),
    ]
    imported = [("import-direction", "direction.npy", *GENDER, "--class", "woman", "--step", "0", *new)]
    return [
        Kind("traces", "traces", ("traces/traces.safetensors",), mutate_tensors, fits),
        Kind("directions", "traces", ("directions.safetensors",), mutate_tensors, directions),
        Kind("plan", "traces", ("plan.safetensors",), mutate_tensors, plans),
        Kind("direction.npy", "traces", ("direction.npy",), mutate_npy, imported),
    ]


def _of_models() -> list[Kind]:
    audit = ("audit", "model", "--concept", "a cat", *GENDER, *EMOJI, "--steps", "1", "-n", "1")
    made = (*audit, *ALONE, "--batch-size", "1")
    loads: list[Command] = [*[(*audit, *DRY)] * 7, made]
    adapted = [(*audit, *DRY, "--adapter", "lora")]
    configs = ("model/*/config.json", "model/*/scheduler_config.json")
    return [
        Kind("model_index.json", "pipeline", ("model/model_index.json",), mutate_json, loads),
        Kind("model configs", "pipeline", configs, mutate_json, loads),
        Kind("model tokenizer", "pipeline", ("model/tokenizer/*.json",), mutate_json, loads),
        Kind("model weights", "pipeline", ("model/*/*.safetensors",), mutate_tensors, loads),
        Kind("adapter", "pipeline", ("lora/*.safetensors",), mutate_tensors, adapted),
    ]


KINDS: Sequence[Kind] = (*_of_runs(), *_of_folders(), *_of_tables(), *_of_arrays(), *_of_models())
