"""From two cells to how they differ: which quantity stands for which, which terms differ, and the verdict."""
