"""Whether inputs, the response or the model's quality have drifted: tests of a day against the days before."""
