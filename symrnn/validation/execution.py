"""Emitted text, executed on elements of the field instead of floats."""

import ast
import builtins
import importlib
import re
import types
from typing import Any

from symrnn.errors import ValidationError
from symrnn.kernels.target import Surroundings
from symrnn.validation.elements import Element, Elements, elements, residues
from symrnn.validation.field_numpy import FieldMath, FieldNumpy


class _Exact(ast.NodeTransformer):
    """Lets numbers that Python or NumPy would round be elements: powers, and what gets an array's type."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Make `a ** b` a call."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        call = ast.Call(ast.Name("_power_of", ast.Load()), [node.left, node.right], [])
        return ast.fix_missing_locations(ast.copy_location(call, node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Make `array.dtype.type`, the type of a kernel's numbers, that of elements."""
        self.generic_visit(node)
        if node.attr == "type" and isinstance(node.value, ast.Attribute) and node.value.attr == "dtype":
            return ast.copy_location(ast.Name("_element_of", ast.Load()), node)
        return node


ROUNDING = re.compile(r'^(?!.*""").*( \*\* |\bmath\.(exp|log|tanh)\((?!x\)))', re.MULTILINE)
"""Where this stands in a text, its numbers are not all made of sums, products and quotients."""


def power_of(base: Any, exponent: Any) -> Any:
    """A power of numbers or of elements."""
    if isinstance(base, Elements | Element) or isinstance(exponent, Elements | Element):
        return base**exponent
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        return base**exponent
    return Element(int(residues(elements(residues(base)) ** elements(residues(exponent)))))


def _element_of(number: Any) -> Element:
    """A number as an element."""
    return number if isinstance(number, Element) else Element(int(residues(number)))


class _FloatType(type):
    """`float` in emitted text: an element stays what it is."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, float)

    def __call__(cls, value: Any = 0.0) -> Any:
        return _element_of(value) if isinstance(value, Elements | Element) else float(value)


class _Float(metaclass=_FloatType):
    pass


def execute(source: str, surroundings: Surroundings, seed: int = 0) -> types.SimpleNamespace:
    """The names that an emitted module defines, its numbers being elements of the field.

    Raises:
        ValidationError: the text cannot be executed.
    """
    seen = {"numpy": FieldNumpy(seed), "math": FieldMath(), **surroundings.modules}

    def imported(name: str, *context: Any) -> Any:
        return seen[name] if name in seen else importlib.__import__(name, *context)

    scope: dict[str, Any] = {
        "__name__": "symrnn_proved",
        "__builtins__": {**vars(builtins), "__import__": imported, "float": _Float},
        "_power_of": power_of,
        "_element_of": _element_of,
    }
    try:
        if ROUNDING.search(source):
            tree = _Exact().visit(ast.parse(source))
            exec(compile(tree, "<emitted>", "exec"), scope)
        else:
            exec(compile(source, "<emitted>", "exec"), scope)
    except SyntaxError as error:
        raise ValidationError(f"Emitted text is no Python: {error}.") from None
    scope.update({name: own for name, own in surroundings.functions.items() if name in scope})
    return types.SimpleNamespace(**scope)
