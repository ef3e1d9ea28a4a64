"""The card generator: a checked card description goes in, Verilog and a manifest come out."""

VERSION = "0.1.0"
