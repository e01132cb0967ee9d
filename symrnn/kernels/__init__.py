"""Writing plans as source code."""
