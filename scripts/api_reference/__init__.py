"""The parts of `docs/api.md` and `docs/api-types.md` that are made from the contract."""
