"""Modules for frameworks that differentiate by themselves: the forward part of a plan, in named values."""
