"""What the whole product does: the demo, an import, memory, faults, a foreign file, the tests."""
