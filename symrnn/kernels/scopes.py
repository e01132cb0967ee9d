"""Which names of Python source are global, and where they stand: scopes read off the syntax tree.

Functions, lambdas and comprehensions have scopes of their own, and so have classes, as far as their bodies
are read; `global` is heeded. A name that only the running program knows is not seen.
"""

import ast
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

BLOCKS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
"""The statements that define a function or a class."""

_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def unquote_annotations(tree: ast.Module) -> None:
    """Put the expressions that strings in annotations hold into their places."""
    for node in list(ast.walk(tree)):
        for key in ("annotation", "returns"):
            if (annotation := getattr(node, key, None)) is not None:
                setattr(node, key, _Unquote().visit(annotation))


def spelled_in(tree: ast.AST) -> set[str]:
    """All names of any scope that a tree reads, binds or declares, arguments too."""
    nodes = ast.walk(tree)
    return set().union(*([n.arg] if isinstance(n, ast.arg) else spelled_by(n) for n in nodes))


def bound_in(tree: ast.AST) -> set[str]:
    """The names of any scope that a tree binds, as what is defined, assigned to, imported or an argument."""
    loads = {n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    nodes = (n for n in ast.walk(tree) if n not in loads)
    return set().union(*([n.arg] if isinstance(n, ast.arg) else spelled_by(n) for n in nodes))


@dataclass(frozen=True, slots=True)
class _Scope:
    """The names that are local to a function; or to a class, as far as it is read."""

    local: set[str]
    declared: set[str] = field(default_factory=set)  # global
    is_class: bool = False


class _Unquote(ast.NodeTransformer):
    """Replaces strings in annotations by the expressions that they hold, at the places where they stand."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node if ast.unparse(node.value).endswith("Literal") else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        with contextlib.suppress(SyntaxError):  # words
            inner = ast.parse(node.value if isinstance(node.value, str) else "()", mode="eval").body
            for part in ast.walk(inner):
                if isinstance(part, ast.expr):
                    part.lineno, part.col_offset = node.lineno, node.col_offset + 1 + part.col_offset
            return inner
        return node


def spelled_by(node: ast.AST) -> Iterable[str]:
    """The names that a node reads, binds or declares global by itself, arguments left out."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Global):
        return node.names
    if isinstance(node, ast.alias):
        return ((node.asname or node.name).partition(".")[0],)
    if isinstance(node, BLOCKS | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return (node.name,) if node.name else ()
    return (node.rest,) if isinstance(node, ast.MatchMapping) and node.rest else ()


def _function_scope(arguments: ast.AST, body: Iterable[ast.AST]) -> _Scope:
    scope = _Scope({node.arg for node in ast.iter_child_nodes(arguments) if isinstance(node, ast.arg)})
    rest = list(body)
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Global):
            scope.declared.update(node.names)
        elif isinstance(node, _COMPREHENSIONS):
            scope.local.update(n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
        else:
            if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
                scope.local.update(spelled_by(node))
            if not isinstance(node, BLOCKS | ast.Lambda):
                rest += ast.iter_child_nodes(node)
    return scope


def _opened(node: ast.AST) -> tuple[list[_Scope], list[ast.AST], list[ast.AST]]:
    """The scope that a node opens, if any, and what lies inside and outside of it."""
    if isinstance(node, _COMPREHENSIONS):
        first, *others = node.generators
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        scope = _function_scope(first, [generator.target for generator in node.generators])
        return [scope], [first.target, *first.ifs, *others, *results], [first.iter]
    scopes, inside = list[_Scope](), list[ast.AST]()
    if isinstance(node, ast.ClassDef):
        declared = {name for part in node.body if isinstance(part, ast.Global) for name in part.names}
        scopes, inside = [_Scope(set(), declared, is_class=True)], [*node.body]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        inside = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
        scopes = [_function_scope(node.args, inside)]
    return scopes, inside, [child for child in ast.iter_child_nodes(node) if child not in inside]


def occurrences(node: ast.AST, scopes: tuple[_Scope, ...] = ()) -> Iterator[tuple[str, ast.AST, bool]]:
    """Global names at and below a node: the name, the node that spells it, and whether that binds it."""
    loads = isinstance(getattr(node, "ctx", None), ast.Load)
    for name in spelled_by(node):
        if _is_global(name, scopes, binds=not loads):
            yield name, node, not loads
    if isinstance(node, ast.Attribute | ast.Subscript) and not loads and not scopes:
        base = node.value
        while isinstance(base, ast.Attribute | ast.Subscript):
            base = base.value
        if isinstance(base, ast.Name):
            yield base.id, base, True
    opened, inside, outside = _opened(node)
    if isinstance(node, ast.AnnAssign) and node.value is None and scopes and scopes[-1].is_class:
        outside = [node.annotation]  # nothing is bound
    # Values come before the targets that they go to, and those before the statements that use them.
    outside.sort(key=lambda n: (isinstance(n, ast.stmt), isinstance(getattr(n, "ctx", None), ast.Store)))
    for child in outside:
        yield from occurrences(child, scopes)
    for child in inside:
        yield from occurrences(child, (*scopes, *opened))


def _is_global(name: str, scopes: Sequence[_Scope], binds: bool) -> bool:
    for depth, scope in enumerate(reversed(scopes)):
        if name in scope.declared:
            return True
        if scope.is_class and binds and depth == 0:
            scope.local.add(name)
        if name in scope.local and not (scope.is_class and depth):
            return False
    return True
