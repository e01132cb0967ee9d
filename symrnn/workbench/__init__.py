"""Using what was emitted: load a kernel, check it against the reference, write files, the command line."""
