"""The OpenAPI document of the HTTP calls, made from the contract and its comments."""
