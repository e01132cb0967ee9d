"""JAX: `jnp` and a scan over time, differentiated by JAX."""

PLACE = 5
ARRAYS = False
