"""Which shapes fit: the author's form of an expression becomes its resolved form, or an error says why not.

Resolved expressions consist of quantities, numbers, axes, sums, products, whole powers, pointwise and vector
functions, `where`, `concatenate`, `ones`, `identity` and `Contract`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, singledispatchmethod

from sympy import (
    ITE,
    Add,
    And,
    Expr,
    Integer,
    Mul,
    Not,
    Or,
    Piecewise,
    Pow,
    Rational,
    S,
    expand,
)
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Shape, as_size, require_vector, shape_text
from symrnn.declaration.conditions import JOINED
from symrnn.declaration.numbers import checked_number, log_of_number, outside_vocabulary, writable_exponent
from symrnn.declaration.operations import (
    LETTERS,
    AuthorProduct,
    ConstantArray,
    Contract,
    PointwiseFunction,
    VectorFunction,
    concatenate,
    exp,
    identity,
    matmul,
    mean,
    one_hot,
    piecewise_as_where,
    power,
    reciprocal,
    sqrt,
    take,
    where,
)
from symrnn.declaration.picking import check_picked, index_as_number
from symrnn.declaration.quantities import Index, Quantity, Value
from symrnn.errors import DeclarationError
from symrnn.vocabulary.families import EQUIVALENTS, FORMULAS

ARRAY_OPERATIONS = (AuthorProduct, Contract, VectorFunction, concatenate, ConstantArray, where)
PRECEDENCE_HINT = "; @ binds like *, so a * U @ h is read as (a * U) @ h: write a * (U @ h)"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolved expression and its shape per sample."""

    expr: Expr
    shape: Shape


@lru_cache(maxsize=1 << 16)
def is_coefficient(expr: Expr) -> bool:
    """Whether `expr` is a number, possibly made of axes: no quantity, array or choice is in it."""
    return not expr.atoms(Quantity, Piecewise, *ARRAY_OPERATIONS)


class Resolver:
    """Resolves expressions, given the shapes of the values defined so far."""

    def __init__(self, shapes: Mapping[Value, Shape]) -> None:
        """`shapes` gives the shape of every value that may be used."""
        self.shapes = shapes
        self.known: dict[Expr, Resolved] = {}

    def resolve(self, expr: Expr) -> Resolved:
        """The resolved form of `expr`; a `DeclarationError` states the bare fact if it has none."""
        if isinstance(expr, Quantity):
            return self._quantity(expr)
        if expr not in self.known:
            number = is_coefficient(expr)
            self.known[expr] = Resolved(checked_number(expr), ()) if number else self._form(expr)
        return self.known[expr]

    def _quantity(self, expr: Quantity) -> Resolved:
        if isinstance(expr, Index):
            raise index_as_number(expr)
        return Resolved(expr, self.shapes[expr] if isinstance(expr, Value) else expr.shape)

    @singledispatchmethod
    def _form(self, expr: Expr) -> Resolved:
        """The resolved form of what is neither a quantity nor a number, by its kind."""
        if type(expr) in EQUIVALENTS:
            return self._sympy_function(expr)
        if type(expr) in FORMULAS:
            return self.resolve(FORMULAS[type(expr)](*expr.args))
        raise outside_vocabulary(expr)

    @_form.register
    def _(self, expr: Piecewise) -> Resolved:
        return self.resolve(piecewise_as_where(expr))

    def _sympy_function(self, expr: Expr) -> Resolved:
        function = EQUIVALENTS[type(expr)]
        args = list(expr.args)
        if function.arity == 1:
            return self._pointwise(function, [self.resolve(args[0])])
        args.sort(key=lambda arg: (is_coefficient(arg), str(arg)))  # Max and Min: any number, any order
        result = self.resolve(args[0])
        for arg in args[1:]:
            result = self._pointwise(function, [result, self.resolve(arg)])
        return result

    @_form.register(Add)
    @_form.register(Mul)
    def _elementwise(self, expr: Expr) -> Resolved:
        parts = [self.resolve(arg) for arg in expr.args]
        shape = common_shape(parts, expr)
        made = expr.func(*(part.expr for part in parts))
        if shape and made != expr and self._lost_shape(made, shape):
            raise DeclarationError(
                f"{expr} cancels to {made}, which has lost the shape {shape_text(shape)}. "
                "Leave out what cancels; a scalar times ones(...) is an array"
            )
        return Resolved(made, shape)

    def _lost_shape(self, made: Expr, shape: Shape) -> bool:
        """Whether SymPy cancelled all terms of `made` that had a shape."""
        terms = made.args if isinstance(made, Add | Mul) else (made,)
        return all(self.resolve(term).shape != shape for term in terms)

    @_form.register
    def _(self, expr: PointwiseFunction) -> Resolved:
        return self._pointwise(type(expr), [self.resolve(arg) for arg in expr.args])

    def _pointwise(self, function: type[PointwiseFunction], args: list[Resolved]) -> Resolved:
        shape = common_shape(args, function(*(arg.expr for arg in args)))
        return Resolved(function(*(arg.expr for arg in args)), shape)

    @_form.register
    def _(self, expr: VectorFunction) -> Resolved:
        vector = self.resolve(expr.args[0])
        require_vector(expr.name, expr, vector.shape)
        made = type(expr)(vector.expr, *expr.args[1:])
        return Resolved(made, vector.shape if expr.gives_vector else ())

    @_form.register
    def _(self, expr: one_hot) -> Resolved:
        return Resolved(expr, (expr.index.classes,))

    @_form.register
    def _(self, expr: ConstantArray) -> Resolved:
        sizes = tuple(as_size(size, str(expr)) for size in expr.args)
        return Resolved(type(expr)(*sizes), sizes * 2 if isinstance(expr, identity) else sizes)

    @_form.register
    def _picked(self, expr: take) -> Resolved:
        """A row or an element, as the product with a unit vector, whose rules are those of all products."""
        array, index = self.resolve(expr.args[0]), expr.args[1]
        check_picked(expr, array.expr, array.shape)
        letters = LETTERS[: len(array.shape)]
        spec = f"{letters[0]},{letters}->{letters[1:]}"
        return self._contract(spec, [self.resolve(one_hot(index)), array], expr)

    @_form.register
    def _power(self, expr: Pow) -> Resolved:
        base, exponent = expr.args
        if not is_coefficient(exponent):
            if is_coefficient(base):
                return self.resolve(exp(exponent * log_of_number(base)))
            return self._pointwise(power, [self.resolve(base), self.resolve(exponent)])
        inner = self.resolve(base)
        exponent = writable_exponent(checked_number(exponent), expr)
        if exponent.is_Float and float(2 * exponent).is_integer():
            exponent = Rational(exponent)  # x**0.5 is the square root, x**2.0 the square
        return Resolved(_power_form(inner.expr, exponent, expr), inner.shape)

    @_form.register
    def _(self, expr: where) -> Resolved:
        sides = [self.resolve(branch) for branch in expr.operands]
        resolved = self._condition(expr.condition, sides)
        return Resolved(where(resolved, sides[0].expr, sides[1].expr), common_shape(sides, expr))

    def _condition(self, condition: Boolean, sides: list[Resolved]) -> Boolean:
        if isinstance(condition, Relational):
            left, right = self.resolve(condition.lhs), self.resolve(condition.rhs)
            sides.append(Resolved(left.expr, common_shape([left, right], condition)))
            return type(condition)(left.expr, right.expr, evaluate=False)
        if isinstance(condition, ITE):  # what SymPy makes of a comparison with a Piecewise
            test, then, otherwise = condition.args
            return self._condition(Or(And(test, then), And(Not(test), otherwise)), sides)
        if isinstance(condition, JOINED):
            return type(condition)(
                *(self._condition(arg, sides) for arg in sorted(condition.args, key=str)), evaluate=False
            )
        raise DeclarationError(
            f"the condition {condition} is no comparison. Use <, <=, >, >=, Eq, Ne and And, Or, Not of these"
        )

    @_form.register
    def _(self, expr: AuthorProduct) -> Resolved:
        scalars: Expr = S.One
        resolved = []
        for operand in expr.operands:
            factor, array = self._factored(operand, expr)
            scalars *= factor
            resolved.append(array)
        shapes = [operand.shape for operand in resolved]
        if rule := expr.broken_rule(shapes):
            raise _unfit(expr, shapes, rule)
        spec = expr.contraction([len(shape) for shape in shapes])
        product = self._contract(spec, resolved, expr)
        if isinstance(expr, mean):
            scalars /= Mul(*resolved[0].shape)
        return Resolved(scalars * product.expr, product.shape)

    def _factored(self, operand: Expr, product: AuthorProduct) -> tuple[Expr, Resolved]:
        """The scalar factors of a product's operand, and the rest: (2*g*W) @ x is 2*g*(W @ x)."""
        if not isinstance(operand, Mul):
            return S.One, self.resolve(operand)
        parts = [self.resolve(arg) for arg in operand.args]
        arrays = [part for part in parts if part.shape]
        scalars = Mul(*(part.expr for part in parts if not part.shape))
        if not arrays:
            return S.One, Resolved(scalars, ())
        try:
            shape = common_shape(arrays, operand)
        except DeclarationError as error:
            hint = PRECEDENCE_HINT if isinstance(product, matmul) else ""
            raise DeclarationError(f"{error}{hint}") from None
        return scalars, Resolved(Mul(*(part.expr for part in arrays)), shape)

    @_form.register
    def _(self, expr: Contract) -> Resolved:
        return self._contract(expr.spec, [self.resolve(op) for op in expr.operands], expr)

    def _contract(self, spec: str, operands: list[Resolved], written: Expr) -> Resolved:
        inputs, _, output = spec.partition("->")
        sizes: dict[str, Expr] = {}
        for letters, operand in zip(inputs.split(","), operands, strict=True):
            if len(letters) != len(operand.shape):
                raise DeclarationError(
                    f"the operand {operand.expr} of {written} has shape {shape_text(operand.shape)}, "
                    f"but {letters!r} in {spec!r} names {len(letters)} axes"
                )
            for letter, size in zip(letters, operand.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    raise DeclarationError(
                        f"in {written} the contracted sizes differ: {operand.expr} has shape "
                        f"{shape_text(operand.shape)}, and its size {size} meets {sizes[letter]} "
                        f"(shapes: {_shapes_text(operands)})"
                    )
        scalars = Mul(*(op.expr for op in operands if not op.shape))
        arrays = [op.expr for op in operands if op.shape]
        kept = [part for part in inputs.split(",") if part]
        shape = tuple(sizes[letter] for letter in output)
        if not arrays or kept == [output]:
            return Resolved(Mul(scalars, *arrays), shape)
        return Resolved(scalars * Contract(f"{','.join(kept)}->{output}", *arrays), shape)

    @_form.register
    def _(self, expr: concatenate) -> Resolved:
        parts = [self.resolve(arg) for arg in expr.args]
        for part in parts:
            if not part.shape:
                raise DeclarationError(
                    f"the stack {expr} contains the scalar {part.expr}; a stack joins vectors or matrices "
                    "along their first axis (multiply by ones(1) to make a vector of length 1)"
                )
            if part.shape[1:] != parts[0].shape[1:]:
                raise DeclarationError(
                    f"the stack {expr} joins different shapes: {_shapes_text(parts)}; "
                    "all axes but the first must be equal"
                )
        first = expand(Add(*(part.shape[0] for part in parts)))
        return Resolved(concatenate(*(part.expr for part in parts)), (first, *parts[0].shape[1:]))


def _power_form(base: Expr, exponent: Expr, written: Pow) -> Expr:
    """A power with an exponent that is a number: whole ones by factors, of which negative ones have roots."""
    if exponent.is_Integer:
        return base**exponent if exponent > 0 else reciprocal(base) ** (-exponent)
    if exponent.is_Rational and exponent.q == 2 and exponent < 0:
        return reciprocal(sqrt(base)) ** Integer(-exponent.p)
    if exponent == S.Half:
        return sqrt(base)
    if not exponent.is_number:
        raise DeclarationError(
            f"the exponent of {written} contains an axis. Powers take numbers: write exp(p*log(x))"
        )
    return power(base, exponent)


def _unfit(expr: AuthorProduct, shapes: list[Shape], rule: str) -> DeclarationError:
    """The error of a product whose operands break a rule."""
    listed = " and ".join(
        f"{arg} has shape {shape_text(shape)}" for arg, shape in zip(expr.args, shapes, strict=True)
    )
    hint = PRECEDENCE_HINT if isinstance(expr, matmul) and any(arg.is_Mul for arg in expr.args) else ""
    return DeclarationError(f"{rule}, but in {expr}: {listed}{hint}")


def _shapes_text(operands: list[Resolved]) -> str:
    return ", ".join(f"{op.expr} {shape_text(op.shape)}" for op in operands)


def common_shape(parts: list[Resolved], expr: object) -> Shape:
    """The one shape among the non-scalars of `parts`; products and sums are element by element."""
    shape: Shape = ()
    owner: Expr | None = None
    for part in parts:
        if part.shape and not shape:
            shape, owner = part.shape, part.expr
        elif part.shape and part.shape != shape:
            hint = (
                "; for a matrix times a vector write @ or einsum"
                if len(part.shape) != len(shape)
                else "; elementwise operands have equal shapes or are scalars (use einsum for anything else)"
            )
            raise DeclarationError(
                f"shapes differ in {expr}: {owner} has {shape_text(shape)}, "
                f"{part.expr} has {shape_text(part.shape)}{hint}"
            )
    return shape
