"""Files of version 0.1: how their origins of directions become those of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def upgraded(origin: object) -> object:
    """The fields of an origin with its `kind`; what is no origin comes back as it is.

    Version 0.1 wrote `ordered` instead, and a pair of classes as the label `hut-vs-house` against `house`. The label is
    split only where its end is the class recorded in `against`, so that class names may hold `-vs-` themselves.
    """
    if not isinstance(origin, Mapping):
        return origin
    fields: dict[str, Any] = dict(origin)
    ordered = fields.pop("ordered", False)
    label, against = str(fields.get("label")), fields.get("against")
    if "kind" in fields:
        return fields
    if ordered:
        return {**fields, "kind": "scale"}
    if against == "rest":
        return {**fields, "kind": "one_vs_rest"}
    if label.endswith(f"-vs-{against}"):
        return {**fields, "kind": "pairwise", "label": label.removesuffix(f"-vs-{against}")}
    return {**fields, "kind": "two_class"}
