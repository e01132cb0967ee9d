"""How gradients vanish or explode over time, measured."""
