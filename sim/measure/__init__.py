"""`hardslice bench`: what a card costs and how fast it is."""

from .run import main

__all__ = ["main"]
