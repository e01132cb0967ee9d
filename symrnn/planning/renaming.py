"""Plans whose arrays have other names."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from sympy import Expr

from symrnn.planning.ir import Block, Buffer, Carry, Pass, array_symbol
from symrnn.planning.plan import Plan

_T = TypeVar("_T")


def renamed_plan(plan: Plan, table: Mapping[str, str]) -> Plan:
    """The plan with arrays renamed; its header tells what those of the author were called."""

    def name(old: str) -> str:
        return table.get(old, old)

    def first(pairs: tuple[tuple[str, _T], ...]) -> tuple[tuple[str, _T], ...]:
        return tuple((name(key), value) for key, value in pairs)

    header = plan.header
    given = (*plan.inputs, *plan.states, *plan.parameters, *plan.constants)
    called = dict(header.fields)
    fields = {name(old): called.get(old, old) for old in given if old in table or old in called}
    return replace(
        plan,
        buffers=tuple(_buffer(buffer, table) for buffer in plan.buffers),
        inputs=_names(plan.inputs, table),
        states=_names(plan.states, table),
        parameters=_names(plan.parameters, table),
        constants=_names(plan.constants, table),
        output=name(plan.output),
        output_cotangent=name(plan.output_cotangent),
        gradients=tuple((name(of), name(gradient)) for of, gradient in plan.gradients),
        prepare=_blocks(plan.prepare, table),
        forward=_pass(plan.forward, table),
        backward=_pass(plan.backward, table),
        finish=_blocks(plan.finish, table),
        roles=first(plan.roles),
        header=replace(header, fresh=first(header.fresh), fields=tuple(fields.items())),
        saved=first(plan.saved),
        classes=first(plan.classes),
        quantities=first(plan.quantities),
    )


def _names(names: Iterable[str], table: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(table.get(name, name) for name in names)


def _expression(expr: Expr, table: Mapping[str, str]) -> Expr:
    return expr.xreplace({array_symbol(old): array_symbol(new) for old, new in table.items()})


def _buffer(buffer: Buffer, table: Mapping[str, str]) -> Buffer:
    window = buffer.window
    if window is not None:
        window = replace(window, base=table.get(window.base, window.base))
    return replace(buffer, name=table.get(buffer.name, buffer.name), window=window)


def _blocks(blocks: Iterable[Block], table: Mapping[str, str]) -> tuple[Block, ...]:
    return tuple(replace(b, statements=tuple(s.renamed(table) for s in b.statements)) for b in blocks)


def _pass(through: Pass, table: Mapping[str, str]) -> Pass:
    loop = through.loop
    return Pass(
        _blocks(through.before, table),
        replace(
            loop,
            blocks=_blocks(loop.blocks, table),
            carries=tuple(Carry(*_names(c.arrays, table)) for c in loop.carries),
            affine=tuple(
                replace(
                    a,
                    state=table.get(a.state, a.state),
                    gain=_expression(a.gain, table),
                    offset=_expression(a.offset, table),
                )
                for a in loop.affine
            ),
        ),
        _blocks(through.after, table),
    )
