"""Which classes of a syntax tree are values: data that a call carries, rather than a place that it passes."""

from __future__ import annotations

import ast
import builtins

from tools.source import Code, Module, dotted

VALUES = frozenset({
    "NamedTuple", "TypedDict", "Protocol", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag",
})  # fmt: skip
"""Bases, of typing and enum, whose classes are values."""


def is_value(code: Code, module: Module, node: ast.ClassDef) -> bool:
    """A frozen dataclass or pydantic model, NamedTuple, TypedDict, Enum, exception or protocol, or derived from one.

    What derives from a protocol is no value for that: it may be the very thing that does the work.
    """
    if _is_frozen(node):
        return True
    for base in node.bases:
        head = base.value if isinstance(base, ast.Subscript) else base
        name = code.full_name(module, head)
        if name.rpartition(".")[2] in VALUES or _is_builtin_exception(name):
            return True
        home, what = code.find(name) or (module, None)
        if isinstance(what, ast.ClassDef) and not _is_protocol(code, home, what) and is_value(code, home, what):
            return True
    return False


def is_value_method(code: Code, module: Module, qualified: str) -> bool:
    """Whether the function of a qualified name (`Class.method`, `Class.method.<locals>.inner`) belongs to a value."""
    owner = qualified.split(".<locals>", maxsplit=1)[0].rpartition(".")[0]
    node = module.classes.get(owner)
    return node is not None and is_value(code, module, node)


def _is_frozen(node: ast.ClassDef) -> bool:
    """`@dataclass(frozen=True)`, `class X(BaseModel, frozen=True)` or `model_config = ConfigDict(frozen=True)`."""
    decorators = [d for d in node.decorator_list if isinstance(d, ast.Call) and dotted(d.func).endswith("dataclass")]
    configs = [
        statement.value
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call)
        if "model_config" in map(dotted, getattr(statement, "targets", None) or [getattr(statement, "target", node)])
    ]
    given = [keyword for call in (*decorators, *configs) for keyword in call.keywords] + node.keywords
    return any(k.arg == "frozen" and isinstance(k.value, ast.Constant) and k.value.value is True for k in given)


def _is_protocol(code: Code, module: Module, node: ast.ClassDef) -> bool:
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return any(code.full_name(module, base).rpartition(".")[2] == "Protocol" for base in bases)


def _is_builtin_exception(name: str) -> bool:
    found = getattr(builtins, name.removeprefix("builtins."), None)
    return isinstance(found, type) and issubclass(found, BaseException)
