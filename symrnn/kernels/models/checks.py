"""What the checks of an emitted model know: every size as data, leading axes, and numbers of classes."""

from sympy import Add, Expr, Mul

from symrnn.declaration.axes import size_text
from symrnn.kernels.interface import checked_sizes, table_text, tuple_text
from symrnn.models.layers import ONCE
from symrnn.models.model import Model


def checks(model: Model) -> dict[str, object]:
    """The values of the names that the template of the checks has."""
    classes = {f"inputs.{feed.name}": f'"{size_text(size)}"' for feed, size in model.index_feeds}
    return {
        **checked_sizes(model.axes, [shape for _, _, shape in model.parameters]),
        "leading_table": table_text(
            {feed.name: "None" if feed.over == ONCE else f'"{feed.over}"' for feed, _, _ in model.feeds}
        ),
        "sizes_table": table_text(_sizes(model)),
        "classes_table": table_text(classes),
        "has_indices": bool(classes),
        "has_scalars": any(not shape for _, _, shape in model.parameters),
    }


def _sizes(model: Model) -> dict[str, str]:
    """Every size in the model's shapes, by its text: a sum of products, as text."""
    shapes = [shape for _, _, shape in (*model.parameters, *model.feeds)]
    shapes += [run.shape(state) for run in model.runs for state in run.layer.cell.states]
    found = dict.fromkeys(
        size for shape in (*shapes, *((size,) for _, size in model.index_feeds)) for size in shape
    )
    leading = [time for time in model.times if time != ONCE]
    made = {name: f'(("{name}",),)' for name in ("B", *leading)}
    return made | {size_text(size): _sum_of_products(size) for size in found}


def _sum_of_products(size: Expr) -> str:
    terms = sorted(Add.make_args(size), key=lambda term: (term.is_Integer, str(term)))
    return tuple_text(
        tuple_text(str(factor) if factor.is_Integer else f'"{factor}"' for factor in _factors(term))
        for term in terms
    )


def _factors(term: Expr) -> list[Expr]:
    """The axes and whole numbers that a term is the product of; `m**2` is `m` twice."""
    made: list[Expr] = []
    for factor in Mul.make_args(term):
        base, power = factor.as_base_exp()
        made += [base] * int(power)
    return made
