"""Calls with keyword arguments in Python source, by its syntax tree: nothing is imported or run."""

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN: Final = object()  # an argument that only running the file would tell
OPTIONS = ("args", "cfg", "config", "self", "opt", "hp", "hparams", "params")  # whose attributes are settings
OPTION = "--"  # before the name of a command-line option, which is no name of the source

_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """name: as written, without what stands before its last dot. arguments: UNKNOWN where not a constant."""

    name: str
    arguments: dict[str, Any]
    line: int


def constants_of(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that the file gives one value, and no other."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found.setdefault(name, []).append(value)
            case ast.AugAssign(target=ast.Name(id=name)) | ast.For(target=ast.Name(id=name)):
                found.setdefault(name, []).extend([ast.Constant(None)] * 2)  # more than one value
    return _filled_up(tree, {name: values[0] for name, values in found.items() if len(values) == 1})


def _table(node: ast.expr) -> ast.Dict | None:
    match node:
        case ast.Dict():
            return node
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            named = [(ast.Constant(k.arg), k.value) for k in keywords if k.arg is not None]
            return ast.Dict(keys=[key for key, _ in named], values=[value for _, value in named])
    return None


def _filled_up(tree: ast.Module, names: dict[str, ast.expr]) -> dict[str, ast.expr]:
    """The names, their tables with what `table[key] = value` and `table.update(…)` add."""
    for node in sorted(ast.walk(tree), key=lambda node: getattr(node, "lineno", 0)):
        match node:
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=key)], value=value):
                added: ast.Dict | None = ast.Dict(keys=[key], values=[value])
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="update"), args=[other]):
                added = _table(other)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="update"), args=[], keywords=keywords):
                added = _table(ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords))
            case _:
                continue
        before = _table(names[name]) if name in names else None
        if before is not None and added is not None:
            names[name] = ast.Dict(keys=[*before.keys, *added.keys], values=[*before.values, *added.values])
    return names


def _set_later(tree: ast.Module, names: dict[str, ast.expr]) -> dict[int, dict[str, Any]]:
    """By the id of a call that a name is given: the attributes set on that name, `name.key = value`."""
    found: dict[int, dict[str, Any]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name), attr=key)], value=value) if name in names:
                found.setdefault(id(names[name]), {})[key] = value_of(value, names)
    return found


def value_of(node: ast.expr, names: dict[str, ast.expr], depth: int = 0) -> Any:
    """A constant, simple arithmetic, a name with one value, or tables and lists of such."""
    if depth > 20:
        return UNKNOWN
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return value_of(names[name], names, depth + 1) if name in names else UNKNOWN
        case ast.Attribute(value=ast.Name(id=name), attr=key) if name in OPTIONS and f"{OPTION}{key}" in names:
            return value_of(names[f"{OPTION}{key}"], names, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            found = value_of(inner, names, depth + 1)
            return -found if isinstance(found, int | float) else UNKNOWN
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            a, b = value_of(left, names, depth + 1), value_of(right, names, depth + 1)
            if isinstance(a, int | float) and isinstance(b, int | float):
                try:
                    return _OPERATIONS[type(op)](a, b)
                except (ArithmeticError, ValueError):
                    return UNKNOWN
            return UNKNOWN
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [value_of(part, names, depth + 1) for part in parts]
        case ast.Dict(keys=keys, values=values):
            pairs = [
                (key.value, value) for key, value in zip(keys, values, strict=True) if isinstance(key, ast.Constant)
            ]
            return {key: value_of(value, names, depth + 1) for key, value in pairs}
        case ast.Call(func=ast.Name(id="dict")) if (table := _table(node)) is not None:
            return value_of(table, names, depth + 1)
        case ast.Call(func=ast.Name(id="float"), args=[inner]):
            found = value_of(inner, names, depth + 1)
            try:
                return float(found) if isinstance(found, str | int | float) else UNKNOWN
            except ValueError:
                return UNKNOWN
    return UNKNOWN


def environment_of(text: str) -> dict[str, str]:
    """Variables that the source sets for itself: os.environ["NAME"] = "text", or by setdefault."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        match node:
            case (
                ast.Assign(
                    targets=[ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name)))],
                    value=ast.Constant(value=str(value)),
                )
                | ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="setdefault"),
                    args=[ast.Constant(value=str(name)), ast.Constant(value=str(value))],
                )
            ):
                found[name] = value
    return found


def _aliases(tree: ast.Module) -> dict[str, str]:
    """What names are called that the source imports under another."""
    parts = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    return {alias.asname: alias.name for alias in parts if alias.asname is not None}


def defaults_of(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """What parameters and command-line options are where nobody says otherwise."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(args=ast.arguments(posonlyargs=first, args=then, defaults=values)) if values:
                positional = [*first, *then]
                yield from ((arg.arg, value) for arg, value in zip(positional[-len(values) :], values, strict=True))
            case ast.Call(func=ast.Attribute(attr="add_argument"), args=[ast.Constant(value=str(flag)), *_]):
                for keyword in node.keywords:
                    if keyword.arg == "default":
                        yield flag.lstrip("-").replace("-", "_"), keyword.value


def modules_of(text: str) -> frozenset[str]:
    """The first names of all that the source imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module)):
                found.add(module.split(".")[0])
    return frozenset(found)


def calls_of(text: str) -> tuple[Call, ...]:
    """Every call that has keyword arguments, or makes a configuration of defaults, in the order of the file."""
    tree = ast.parse(text)
    names = constants_of(tree)
    later, aliases = _set_later(tree, names), _aliases(tree)
    names |= {f"{OPTION}{name}": value for name, value in defaults_of(tree)}
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), keywords=keywords):
                name = aliases.get(name, name)
                if not keywords and not name.endswith("Config"):
                    continue
                arguments: dict[str, Any] = {}
                for keyword in keywords:
                    if keyword.arg is not None:
                        arguments[keyword.arg] = value_of(keyword.value, names)
                        continue
                    opened = value_of(keyword.value, names)  # **table
                    arguments |= opened if isinstance(opened, dict) else {"**": UNKNOWN}
                arguments |= later.get(id(node), {})
                found.append(Call(name=name, arguments=arguments, line=node.lineno))
    return tuple(sorted(found, key=lambda call: call.line))
