"""What came of experiments: sums over units, comparisons of arms, and what may be said of them."""
