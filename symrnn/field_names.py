"""Which names a field, or a keyword of a call, can have.

Whatever language a kernel is written in, callers reach it from Python: an author's names become fields of its
records and keywords of its functions, as in `State(h=...)` and `init(rng, n=3)`. So declarations refuse here
what no contract can carry; what the text of a kernel cannot have is the target's to know, which gives it
another name there.
"""

import keyword

KEYWORDS = frozenset(keyword.kwlist)
"""The words that Python keeps for itself."""

METHODS = ("count", "index")
"""Methods of every tuple: a field of a NamedTuple of that name breaks them."""

LEADING = ("T", "B")
"""What all contracts call the axes that every array has: time and the batch."""

TAKEN_BY_INIT = ("rng", "dtype", "np", "Parameters", "ValueError")
"""What `init`, which has a keyword for every axis, uses itself."""
