"""Proofs of a card: unbounded, on the RTL that is shipped, with open tools."""
