"""Records apart from their texts: a record does not know how it is printed; what prints it stands in a table.

So a record's module needs nothing of the many that make its text, these are loaded when a record is printed,
and no circle of imports arises.
"""

from collections.abc import Callable

from symrnn.places import found_at

PLACES = {
    "Plan": {"__str__": "symrnn.planning.printout:plan_text", "_repr_html_": "symrnn.notebook:plan_html"},
    "Cell": {"_repr_latex_": "symrnn.papers.formulas:cell_display"},
    "Derivation": {"_repr_latex_": "symrnn.papers.formulas:derivation_display"},
    "ModelDerivation": {
        "__str__": "symrnn.derivation.model_printout:model_derivation_text",
        "_repr_latex_": "symrnn.papers.formulas:model_display",
    },
    "ModelPlan": {
        "__str__": "symrnn.planning.model_printout:model_plan_text",
        "_repr_html_": "symrnn.notebook:model_plan_html",
    },
    "StepJacobian": {"_repr_latex_": "symrnn.papers.formulas:jacobian_display"},
    "Comparison": {
        "__str__": "symrnn.comparison.printout:comparison_text",
        "_repr_latex_": "symrnn.papers.formulas:comparison_display",
        "_repr_html_": "symrnn.notebook:comparison_html",
    },
    "CheckReport": {"_repr_html_": "symrnn.notebook:report_html"},
    "Model": {"_repr_html_": "symrnn.notebook:model_html"},
}
"""By class, what a terminal (`str`) or a notebook asks a record for, and the place of what makes it."""


class Printed:
    """A record whose texts are made elsewhere: a class gets the methods that the table has for its name."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Give a class its methods."""
        for method, place in PLACES.get(cls.__name__, {}).items():
            setattr(cls, method, _maker(place))


def _maker(place: str) -> Callable[[Printed], str]:
    """The method that makes a text by the function at a place."""

    def text_of(record: Printed) -> str:
        text: str = found_at(place)(record)
        return text

    return text_of
