"""Mathematics laid out: as LaTeX, MathML, pictures in Unicode and plain text."""
