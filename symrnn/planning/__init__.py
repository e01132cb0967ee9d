"""From a derivation to a plan: the loop IR, its naive lowering, passes, and its meaning."""
