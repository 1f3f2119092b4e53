"""How good the recommendations are on public data sets, beside baselines and published values."""
