"""Compiling ahead leaves nothing to compile for a training, a start or an answer."""

import importlib
import pkgutil

from numba.core.dispatcher import Dispatcher

from services.recommendation import algorithms, models, reranker, serving
from services.recommendation.compile_ahead import compile_ahead

PACKAGES = (algorithms, models, reranker, serving)
OF_EVALUATION = {"_counts", "_places_from", "tie_hashes"}
"""Loops that only `quintet evaluate` needs: candidates of dense scores."""


def loops() -> dict[str, Dispatcher]:
    found = {}
    for package in PACKAGES:
        for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(each.name)
            found |= {name: loop for name, loop in vars(module).items() if isinstance(loop, Dispatcher)}
    return found


def test_every_loop_is_compiled() -> None:
    assert compile_ahead() > 0
    found = loops()
    called_by_others = {name for loop in found.values() for name in loop.py_func.__code__.co_names}
    missing = {name for name, loop in found.items() if not loop.signatures and name not in called_by_others}
    assert len(found) > 40
    assert missing <= OF_EVALUATION
