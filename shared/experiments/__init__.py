"""Experiments, the variants that they compare, and who meets which: plain values, read by every agent alike."""
