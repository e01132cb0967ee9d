"""PyTorch: its own operations, a Python loop over time, differentiated by autograd."""

PLACE = 4
ARRAYS = False
