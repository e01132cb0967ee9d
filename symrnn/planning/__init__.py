"""From a derivation to a `Plan`: the loop IR, its naive lowering, the passes of each save mode."""
