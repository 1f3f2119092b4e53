"""Offline evaluation: questions with known answers, rankings of the whole catalogue, metrics with intervals."""
