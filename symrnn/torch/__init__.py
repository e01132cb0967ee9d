"""Cells and models as PyTorch modules that run at the kernels' speed.

`layer(cell, 64, 128)` takes the place of `torch.nn.GRU`, `step(cell, 64, 128)` that of `torch.nn.GRUCell`,
`from_torch(module)` makes it of one that exists, and `module(model, ...)` is a whole model with its loss.
"""

from symrnn.errors import RequestError

try:
    import torch as torch
except ImportError:
    raise RequestError('symrnn.torch needs PyTorch. Install it with: pip install "symrnn[torch]"') from None

from symrnn.torch.conversion import from_torch as from_torch
from symrnn.torch.layers import Layer as Layer
from symrnn.torch.layers import layer as layer
from symrnn.torch.networks import Network as Network
from symrnn.torch.networks import module as module
from symrnn.torch.steps import Step as Step
from symrnn.torch.steps import step as step
