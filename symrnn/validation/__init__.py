"""Proof of what is made, when it is made: derivations, plans and text, on numbers of a prime field."""
