"""Joining cells to a `Model`: layers, what feeds them, losses and closed loops."""
