"""The test bench around a card: bus models on every port, the RAM on the register port, random traffic, attacks."""
