"""The contract as its files say it: comments by full names."""

from scripts.api_reference.pages import contract_comments as comments

__all__ = ["comments"]
