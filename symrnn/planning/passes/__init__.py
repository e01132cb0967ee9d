"""Passes: plan to plan, each of which leaves the meaning as it is."""

from collections.abc import Callable

from symrnn.planning.passes.hoist import delay_gradients, hoist_inputs
from symrnn.planning.passes.pack import pack_products
from symrnn.planning.passes.save import choose_saved
from symrnn.planning.passes.share import share_memory
from symrnn.planning.passes.split import split_stacks
from symrnn.planning.plan import Plan

PASSES: tuple[Callable[[Plan], Plan], ...] = (
    split_stacks,
    hoist_inputs,
    delay_gradients,
    pack_products,
    choose_saved,
    share_memory,
)
"""In the order in which `plan` applies them."""
