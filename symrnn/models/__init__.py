"""Joining cells to models: layers, what feeds them, losses and closed loops."""
