"""What a benchmark speaks of: quantities, contenders, and the peers and sizes that a command can ask for."""

TRAIN, TRAIN_FIXED, FORWARD, STEP = "train", "train_fixed", "forward", "step"
NUMPY, NUMBA, TORCH, TORCH_NN, JAX, ONNX = "NumPy", "Numba", "eager torch", "torch.nn", "JAX", "onnxruntime"
PRODUCTS = "products"
QUANTITIES = (TRAIN, TRAIN_FIXED, FORWARD, STEP)

PEERS = {"torch": (TORCH, TORCH_NN), "jax": (JAX,), "onnxruntime": (ONNX,)}
"""What one can measure against, with the contenders that each brings."""

GRID = "50,1,32 100,16,64 100,32,128 100,32,256 50,64,512"
"""The sizes that are measured unless others are asked for."""
