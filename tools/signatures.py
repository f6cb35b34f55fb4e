"""What the functions of a syntax tree take and return: their parameters, and mappings whose values have no type."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.source import Code, Function, Module

MAPPINGS = frozenset(
    f"{home}.{name}" if home else name
    for home, names in {
        "": ("dict",),
        "builtins": ("dict",),
        "typing": ("Dict", "Mapping", "MutableMapping", "OrderedDict", "DefaultDict", "ChainMap"),
        "collections": ("OrderedDict", "defaultdict", "ChainMap", "UserDict"),
        "collections.abc": ("Mapping", "MutableMapping"),
        "types": ("MappingProxyType",),
    }.items()
    for name in names
)
ANYTHING = frozenset({"Any", "typing.Any", "object", "builtins.object"})
NOT_WITHIN = frozenset({"typing.Callable", "collections.abc.Callable", "typing.Literal"})
"""What stands in their brackets is not returned."""


def parameters(function: Function, is_method: bool) -> list[str]:
    """The names of what a function takes, keyword-only, `*` and `**` included, without `self` or `cls`."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
    names = names[1:] if is_method and not static else names
    return [*names, *(a.arg for a in (given.vararg, *given.kwonlyargs, given.kwarg) if a)]


def is_unlike_a_verb(function: Function, positional: int, keywords: int) -> bool:
    """More positional or keyword-only parameters than this, or `**`."""
    given = function.args
    return (
        len(given.posonlyargs) + len(given.args) > positional
        or len(given.kwonlyargs) > keywords
        or given.kwarg is not None
    )


def is_untyped(code: Code, module: Module, node: ast.expr | None, within: frozenset[int] = frozenset()) -> bool:
    """Whether an annotation is, or holds anywhere, a mapping to `Any` or `object`, or a bare `dict`.

    Read through aliases and `NewType` of any module, classes derived from such a mapping, unions and containers
    (`list[dict[str, Any]]`). An alias whose mapping leads back to itself (any JSON) is untyped too.
    """
    match node:
        case ast.Constant(value=str()):
            return is_untyped(code, module, _parsed(node), within)
        case ast.BinOp(op=ast.BitOr()):
            return is_untyped(code, module, node.left, within) or is_untyped(code, module, node.right, within)
        case ast.Subscript():
            head, parts = code.full_name(module, node.value), _parts(node)
            if head in MAPPINGS and _is_loose(code, module, parts[-1], within):
                return True
            return head not in NOT_WITHIN and any(is_untyped(code, module, part, within) for part in parts)
        case ast.Name() | ast.Attribute():
            return code.full_name(module, node) in MAPPINGS or _stands_for_untyped(code, module, node, within)
    return False


def is_anything(code: Code, module: Module, node: ast.expr | None) -> bool:
    """Whether an annotation is `Any` or `object`."""
    return isinstance(node, ast.Name | ast.Attribute) and code.full_name(module, node) in ANYTHING


def untyped_functions(code: Code, module: Module) -> Iterator[tuple[str, Function]]:
    """The functions that return an untyped mapping under whatever name; `to_json` may."""
    for name, function, _ in module.functions:
        if function.name != "to_json" and is_untyped(code, module, function.returns):
            yield name, function


def _stands_for_untyped(code: Code, module: Module, node: ast.expr, within: frozenset[int]) -> bool:
    found = code.find(code.full_name(module, node))
    if found is None or id(found[1]) in within:
        return False
    home, what = found
    within |= {id(what)}
    match what:
        case ast.ClassDef():
            return any(is_untyped(code, home, base, within) for base in what.bases)
        case ast.Call(args=[_, ast.expr() as made]) if code.full_name(home, what.func) == "typing.NewType":
            return is_untyped(code, home, made, within)
        case ast.expr():
            return is_untyped(code, home, what, within)
    return False


def _is_loose(code: Code, module: Module, node: ast.expr, within: frozenset[int]) -> bool:
    """Whether the values of a mapping may be anything."""
    match node:
        case ast.Constant(value=str()):
            return _is_loose(code, module, _parsed(node), within)
        case ast.BinOp(op=ast.BitOr()):
            return any(_is_loose(code, module, part, within) for part in (node.left, node.right))
        case ast.Name() | ast.Attribute():
            name = code.full_name(module, node)
            if name in ANYTHING or is_untyped(code, module, node, within):
                return True
            home, what = code.find(name) or (module, None)
            return isinstance(what, ast.expr) and (
                id(what) in within or _is_loose(code, home, what, within | {id(what)})
            )
    return is_untyped(code, module, node, within)


def _parts(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _parsed(node: ast.Constant) -> ast.expr:
    return ast.parse(str(node.value), mode="eval").body
