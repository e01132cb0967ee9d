"""Examples of a user's work: cells that are not shipped, each declared in a file of its own."""
