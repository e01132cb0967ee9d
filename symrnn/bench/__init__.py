"""`symrnn bench`: emitted kernels against the same equations elsewhere, measured on this machine.

From a cell to figures: `contenders` and `layers` make something to time of a kernel, of a module for PyTorch
or JAX, of a ready-made layer; `worker` is the process in which one of them runs; `session` asks the workers
in turn; `results` is what they said; `tables` and `figure` show it.
"""
