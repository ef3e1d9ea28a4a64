"""Traffic generators in RTL around a card: what they are told, and what they tell."""
