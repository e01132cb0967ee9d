"""Training: optimisers, a trainer with checkpoints for any model, and a language model of characters."""
