"""The card description: what a person writes, how it is found and how it is read."""

from .config import CardConfig
from .loader import load_card
from .locate import find_card, known_cards

__all__ = ["CardConfig", "find_card", "known_cards", "load_card"]
