"""Runs the generated card in simulation, with the real RAM in the test bench, and judges what it does."""
