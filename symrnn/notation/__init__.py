"""Mathematics as a tree: its nodes, where lines end in it, and how LaTeX, MathML and terminals set it."""
