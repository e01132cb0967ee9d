"""Mathematics as a tree, and where it may break; `rendering/` writes it as LaTeX, MathML and Unicode."""
