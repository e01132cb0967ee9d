"""Training on several processes and machines: PyTorch's engines, and what sending costs."""
