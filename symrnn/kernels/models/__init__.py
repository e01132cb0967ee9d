"""Modules of whole models."""
