"""The error of a filter expression that cannot be read."""


class FilterError(ValueError):
    """A filter expression is not well formed.

    Parameters
    ----------
    position : int
        Place of the first character at fault, from 1; one past the end where something is missing there.
    problem : str
        What is wrong and what was expected, without the position.
    """

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"at position {position}: {problem}")
        self.position = position
        self.problem = problem
