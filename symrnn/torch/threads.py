"""The threads of PyTorch and those of kernels, which want the same cores."""

import ctypes
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

LONG = 5e6
"""From so many products per thread on, a kernel takes longer than it takes to start threads again."""

SOFT = 1
"""`omp_pause_soft`: what the library remembers otherwise stays."""


class Pool:
    """PyTorch's own threads: after an operation they spin for milliseconds, in wait for the next one.

    Meanwhile they keep cores from a kernel's threads. OpenMP has a function that lets those of the calling
    thread go; the next operation that wants some starts them again, in some ten microseconds each.

    Source: `omp_pause_resource_all`, OpenMP API 5.0, 2018.
    """

    def __init__(self) -> None:
        """Find the function in the library that PyTorch has loaded, if it has one."""
        self.let_go: Callable[[int], Any] | None = None
        with suppress(OSError, AttributeError):  # another system, another compiler: they go on spinning
            self.let_go = ctypes.CDLL(torch._C.__file__).omp_pause_resource_all
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """In a forked process there are no such threads, though the library believes so."""
        self.let_go = None

    def threads(self, parameters: Sequence[Tensor], inputs: Sequence[Tensor]) -> int:
        """How many threads a kernel may start, after PyTorch's were let go if it is to take long."""
        threads = torch.get_num_threads()
        T, B = inputs[0].shape[:2]
        products = T * B * sum(parameter.numel() for parameter in parameters)
        if self.let_go is not None and min(threads, B) > 1 and products > threads * LONG:
            self.let_go(SOFT)
        return threads


POOL = Pool()
