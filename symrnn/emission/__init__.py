"""Writing plans as source code and derivations as LaTeX."""
