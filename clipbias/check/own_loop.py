"""What a training loop written by hand computes of its ratio, by its syntax tree: nothing is imported or run.

The ratio is an exp of a difference of two log-probabilities. What stands on the right is the denominator: where it
comes from decides. Loops that hold the optimizer's step, but not the denominator, repeat it on one rollout.
"""

import ast
from collections.abc import Iterator
from typing import Any

from .python_source import OPTIONS, UNKNOWN, Call, constants_of, defaults_of, value_of

RATIO = ("ratio", "rho", "coef", "weight")  # what the ratio of a surrogate is called, where several exps are taken
REFERENCE = ("ref", "base", "teacher")  # an exp of a difference to one of these is a KL estimate
ENGINE = ("vllm", "sglang", "rollout_log", "sampl", "infer", "behav", "engine")
LOOPS = (ast.For, ast.AsyncFor)


def _named(text: str, parts: tuple[str, ...]) -> bool:
    return any(part in text.lower() for part in parts)


class _AttributesAsNames(ast.NodeTransformer):
    """args.eps as eps."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        known = isinstance(node.value, ast.Name) and node.value.id in OPTIONS
        return ast.Name(node.attr, ast.Load()) if known else node


class _Source:
    """A parsed file with its constants and what is assigned to each name."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.assigned: dict[str, ast.expr] = {}
        for node in ast.walk(self.tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.assigned.setdefault(name, value)
        self.constants = constants_of(self.tree)
        for name, value in defaults_of(self.tree):
            if name not in self.assigned:
                self.constants.setdefault(name, value)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.parents:
            node = self.parents[node]
            yield node

    def loops(self, node: ast.AST) -> list[ast.For | ast.AsyncFor]:
        return [outer for outer in self.above(node) if isinstance(outer, LOOPS)]

    def target(self, node: ast.AST) -> str:
        """The name that a statement around this expression assigns."""
        for outer in self.above(node):
            match outer:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    return name
        return ""

    def resolved(self, node: ast.expr) -> ast.expr:
        """A name's value, where it is assigned."""
        return self.assigned.get(node.id, node) if isinstance(node, ast.Name) else node

    def number(self, node: ast.expr | None) -> Any:
        if node is None:
            return None
        plain = _AttributesAsNames().visit(ast.parse(ast.unparse(node), mode="eval")).body
        return value_of(plain, self.constants)


def _difference(source: _Source, node: ast.expr) -> ast.BinOp | None:
    """a − b, as it stands or behind a name, a clamp or an average over an answer's tokens."""
    node = source.resolved(node)
    match node:
        case ast.BinOp(op=ast.Sub()):
            return node
        case ast.Call(func=ast.Attribute(value=inner, attr="clamp" | "clip" | "sum" | "mean")):
            return _difference(source, inner)
        case ast.BinOp(left=inner, op=ast.Div() | ast.Mult()):
            return _difference(source, inner)
    return None


def _exponent(node: ast.AST) -> ast.expr | None:
    match node:
        case ast.Call(func=ast.Attribute(value=inner, attr="exp"), args=[]):
            return inner
        case ast.Call(func=ast.Name(id="exp") | ast.Attribute(attr="exp"), args=[inner, *_]):
            return inner
    return None


def _ratios(source: _Source) -> list[tuple[str, ast.AST, ast.BinOp]]:
    """(name, exp, difference) of every ratio that is not one to a reference; those with a ratio's name first."""
    found = []
    for node in ast.walk(source.tree):
        exponent = _exponent(node)
        difference = None if exponent is None else _difference(source, exponent)
        if difference is None or _named(ast.unparse(difference), REFERENCE):
            continue
        found.append((source.target(node), node, difference))
    return sorted(found, key=lambda part: not _named(part[0], RATIO))


def _origin(source: _Source, difference: ast.BinOp) -> str:
    """own, second pass, engine or stored (as a tensor that some other part of the program made)."""
    new, old = ast.unparse(difference.left), difference.right
    match old:
        case ast.Call(func=ast.Attribute(value=inner, attr="detach")) if ast.unparse(inner) == new:
            return "own"
    made = source.resolved(old)
    text = f"{ast.unparse(old)} {ast.unparse(made)}"
    match made:
        case ast.Call(func=ast.Attribute(value=inner, attr="detach"), args=[]):
            if ast.unparse(inner) == new:
                return "own"
            made = source.resolved(inner)
    match made:
        case ast.Call(func=ast.Attribute(attr="get" | "pop")):
            return "engine" if _named(text, ENGINE) else "stored"
        case ast.Call() if not _named(ast.unparse(made.func), ENGINE):
            return "second pass"
    return "engine" if _named(text, ENGINE) else "stored"


def _times(source: _Source, loop: ast.For | ast.AsyncFor) -> Any:
    """How often a loop runs: range(n), range(a, b), range(a, b, step); UNKNOWN for others."""
    match loop.iter:
        case ast.Call(func=ast.Name(id="range"), args=arguments):
            values = [source.number(argument) for argument in arguments]
            if all(isinstance(value, int) for value in values) and (len(values) < 3 or values[2]):
                return len(range(*values))
    return UNKNOWN


def _steps(source: _Source, ratio: ast.AST, difference: ast.BinOp) -> Any:
    """Optimizer steps on one denominator: 1 where the two stand in the same loops, else the loops between."""
    stepped = [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step"
        if _named(ast.unparse(node.func.value), ("opt",))
    ]
    inner = source.loops(ratio) or (source.loops(stepped[0]) if stepped else [])
    made = source.resolved(difference.right)
    if made is difference.right and isinstance(made, ast.Name | ast.Subscript | ast.Attribute):
        return UNKNOWN  # a parameter, or part of a batch: kept from elsewhere
    between = [loop for loop in inner if loop not in source.loops(made)]
    if stepped:  # a loop that holds no step accumulates gradients
        between = [loop for loop in between if any(loop in source.loops(step) for step in stepped)]
    steps = 1
    for loop in between:
        times = _times(source, loop)
        if times is UNKNOWN:
            return UNKNOWN
        steps *= times
    return steps


def _clamps(source: _Source, name: str, ratio: ast.AST) -> Iterator[tuple[ast.AST, Any, Any]]:
    """(call, lower, upper) of every clamp of the ratio."""
    written = (name, ast.unparse(ratio)) if name else (ast.unparse(ratio),)
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="clamp" | "clip") as func, args=arguments, keywords=keywords):
                pass
            case _:
                continue
        subject, rest = func.value, list(arguments)
        if isinstance(subject, ast.Name) and subject.id in ("torch", "th", "np", "jnp") and arguments:
            subject, rest = arguments[0], list(arguments[1:])
        if ast.unparse(subject) not in written:
            continue
        by_name = {keyword.arg: keyword.value for keyword in keywords}
        low = by_name.get("min", rest[0] if rest else None)
        high = by_name.get("max", rest[1] if len(rest) > 1 else None)
        yield node, source.number(low), source.number(high)


def own_loop(text: str) -> Call | None:
    """What the file does with its ratio, as keys: denominator, steps, standardised, and lower, upper, dual, weight of
    its clamps; None where it takes no ratio of two policies."""
    source = _Source(text)
    ratios = _ratios(source)
    if not ratios:
        return None
    name, ratio, difference = ratios[0]
    found: dict[str, Any] = {"denominator": _origin(source, difference), "steps": _steps(source, ratio, difference)}
    for call, low, high in _clamps(source, name, ratio):
        if low is None and "upper" in found:
            found["dual"] = high
            continue
        found |= {"lower": low, "upper": high}
        parent = source.parents.get(call)
        found["weight"] = isinstance(parent, ast.Attribute) and parent.attr == "detach"
    found["standardised"] = any(isinstance(n, ast.Attribute) and n.attr == "std" for n in ast.walk(source.tree))
    line = getattr(ratio, "lineno", 1)
    return Call(name="own loop", arguments=found, line=line)
