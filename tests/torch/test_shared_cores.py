"""PyTorch's threads make room for those of kernels, where these take long, and only there."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from symrnn.torch.threads import Pool

LARGE = [torch.ones(1000, 1000)]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


ALONE = """
import os, time, torch
from symrnn.torch.threads import Pool

def threads(expected):
    for _ in range(500):
        if len(os.listdir("/proc/self/task")) == expected:
            return
        time.sleep(0.01)
    raise SystemExit(f"{os.listdir('/proc/self/task')}, and not {expected}")

torch.set_num_threads(1)
pool, large = Pool(), torch.ones(1000, 1000)
torch.set_num_threads(2)
alone = len(os.listdir("/proc/self/task"))
for _ in range(3):
    assert large.sum() == 1e6
    threads(alone + 1)
    assert pool.threads([large], [torch.ones(50, 2, 3)]) == 2
    threads(alone)
"""


def test_they_go_before_a_long_kernel_and_come_again() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", ALONE], check=True)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("shape", [(5, 2, 3), (50, 1, 3), (0, 2, 3)])
def test_they_stay_where_a_kernel_is_short_or_has_one_thread(shape: tuple[int, ...]) -> None:
    pool = Pool()
    pool.let_go = lambda level: pytest.fail(f"let go, {level}")
    assert pool.threads(LARGE, [torch.ones(shape)]) == 2


@pytest.mark.usefixtures("two_threads")
def test_a_forked_process_and_another_system_leave_them_alone() -> None:
    pool = Pool()
    pool.forget()
    assert pool.threads(LARGE, [torch.ones(50, 2, 3)]) == 2
