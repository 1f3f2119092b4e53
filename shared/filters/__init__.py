"""Filter expressions over products: lexer, parser, syntax tree, printer and evaluation over columns.

The language is described in docs/filters.md.
"""
