"""What a plan costs: floating-point operations of its products and bytes of what it saves."""

from collections.abc import Callable, Mapping
from typing import Any

from sympy import Add, Expr, Integer, preorder_traversal

from symrnn.declaration.operations import Operation
from symrnn.derivation.cost import StepCost
from symrnn.planning.ir import Buffer, Contraction, Gather, Largest, Pointwise, Scatter, Statement, size_of
from symrnn.planning.plan import Plan


def operations(statement: Statement, table: Mapping[str, Buffer]) -> Expr:
    """Arithmetic of a statement per sample and step, a function call and a comparison counted as one."""
    count = COUNTS.get(type(statement))
    return Integer(0) if count is None else count(statement, table)


def _of_contraction(statement: Contraction, table: Mapping[str, Buffer]) -> Expr:
    sizes: dict[str, Expr] = {}
    for name, letters in zip(statement.operands, statement.inputs, strict=True):
        sample = letters.replace("T", "").replace("B", "")
        sizes.update(zip(sample, table[name].shape, strict=True))
    total = size_of(tuple(sizes.values()))
    return 2 * total if len(statement.operands) > 1 else total


def _of_pointwise(statement: Pointwise, table: Mapping[str, Buffer]) -> Expr:
    calls = sum(isinstance(node, Operation) for node in preorder_traversal(statement.expr))
    count = statement.expr.count_ops() + calls + statement.update
    return Integer(count) * size_of(table[statement.out].shape)


COUNTS: Mapping[type, Callable[[Any, Mapping[str, Buffer]], Expr]] = {
    Contraction: _of_contraction,
    Pointwise: _of_pointwise,
    Gather: lambda s, table: size_of(table[s.out].shape) * int(s.update),
    Scatter: lambda s, table: size_of(table[s.operand].shape),
    Largest: lambda s, table: size_of(table[s.operand].shape),
}
"""The arithmetic of each kind of statement that has any."""


def traffic(statement: Statement, table: Mapping[str, Buffer]) -> Expr:
    """Numbers per sample and step that a statement reads and writes, shared arrays not counted."""
    names = [*dict.fromkeys(statement.reads), statement.out]
    if statement.update:
        names.append(statement.out)
    total: Expr = Integer(0)
    for name in names:
        if table[name].lead:
            total += size_of(table[name].shape)
    return total.expand()


def moving_operations(statements: list[Statement], table: Mapping[str, Buffer]) -> Expr:
    """Operations per sample and step of the statements that touch samples."""
    moving = (s for s in statements if any(table[name].lead for name in s.arrays))
    return Add(*(operations(statement, table) for statement in moving)).expand()


def step_cost(plan: Plan, lean: Plan) -> StepCost:
    """The costs of a plan that saves all, and of `lean`, its twin that saves states alone."""
    forward, backward, again = (
        moving_operations(part.statements, made.table())
        for made, part in ((plan, plan.forward), (plan, plan.backward), (lean, lean.backward))
    )
    kept = tuple(name for name, _ in plan.saved)
    outputs = saved_output_elements(plan)
    return StepCost(forward, backward, saved_elements(plan), outputs, kept, saved_elements(lean), again)


def saved_elements(plan: Plan) -> Expr:
    """Elements per sample and step of the memory that the forward pass keeps."""
    return _elements_of({plan.root(name).name for name, _ in plan.saved}, plan)


def saved_output_elements(plan: Plan) -> Expr:
    """Elements per sample and step of what is saved in the outputs, which the caller holds anyway."""
    memory = {plan.root(name).name for name, _ in plan.saved}
    return _elements_of({plan.root(plan.output).name} & memory, plan)


def recomputed_elements(plan: Plan) -> Expr:
    """Elements per sample and step of the memory of what the backward pass recomputes."""
    return _elements_of({plan.root(b.name).name for b in plan.buffers if b.kind == "recomputed"}, plan)


def _elements_of(roots: set[str], plan: Plan) -> Expr:
    return Add(*(size_of(buffer.shape) for buffer in plan.buffers if buffer.name in roots)).expand()
