"""`hardslice bench`: what a card costs and how fast it is."""
