"""Passes: plan to plan, each of which leaves the meaning as it is; `PASSES` has those of every save mode."""

from collections.abc import Callable

from symrnn.errors import RequestError
from symrnn.planning.passes.affine import mark_affine, shorten_affine_loops
from symrnn.planning.passes.differentiable import differentiable
from symrnn.planning.passes.hoist import delay_gradients, hoist_inputs
from symrnn.planning.passes.pack import pack_products
from symrnn.planning.passes.recompute import recompute_from_states
from symrnn.planning.passes.saved import choose_saved
from symrnn.planning.passes.share import share_memory
from symrnn.planning.passes.split import split_stacks
from symrnn.planning.plan import Plan

PlanPass = Callable[[Plan], Plan]

MOVING: tuple[PlanPass, ...] = (split_stacks, hoist_inputs, delay_gradients, shorten_affine_loops)
"""Passes that decide what is computed where."""

STORING: tuple[PlanPass, ...] = (pack_products, choose_saved, mark_affine, share_memory)
"""Passes that decide in which memory."""

PASSES: dict[str, tuple[PlanPass, ...]] = {
    "all": (*MOVING, *STORING),
    # Before packing, so that products which are computed again are packed too.
    "states": (*MOVING, recompute_from_states, *STORING),
}
"""By what the forward pass saves, in the order in which `plan` applies them."""


AS_WRITTEN: tuple[PlanPass, ...] = (choose_saved,)
"""For a kernel that computes in every step what the equations say, and no more."""


FOR_AUTODIFF: tuple[PlanPass, ...] = (differentiable, *MOVING, pack_products, choose_saved)
"""For text that a framework differentiates: nothing is written in place, so that values share no memory."""


def require_save(save: str) -> None:
    """Raise unless there are passes that save this.

    Raises:
        RequestError: `save` is neither "all" nor "states".
    """
    if not isinstance(save, str) or save not in PASSES:
        raise RequestError(
            f"The forward pass cannot save {save!r}. Choose save='all' (whatever the backward pass reads) or "
            "save='states' (only the states over time; the backward pass recomputes the rest)."
        )
