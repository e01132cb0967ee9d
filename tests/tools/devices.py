"""The device on which tests compute what is not the kernels'.

python -m pytest tests/torch tests/distributed --device cuda

runs the tests that can be run there, the same functions as on the processor, and says what ran where.
"""

import pytest

PROCESSOR = "cpu"


def title_of(device: str) -> str:
    """What a device is called.

    Raises:
        pytest.UsageError: this machine has no such device.
    """
    import torch

    if device == PROCESSOR:
        return "the processor"
    try:
        torch.empty(1, device=device).cpu()
        return f"{device}, {torch.get_device_module(device).get_device_name()}"
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        fact = str(error).partition("\n")[0]
        raise pytest.UsageError(
            f"There is no device {device!r} here ({fact}). PyTorch {torch.__version__} has the processor."
        ) from None


def computes_there(item: pytest.Item) -> bool:
    """Whether a test takes the device."""
    return "device" in getattr(item, "fixturenames", ())
