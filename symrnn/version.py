"""The version, in a place that every stage may import."""

__version__ = "0.1.0"
