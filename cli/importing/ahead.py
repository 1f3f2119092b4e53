"""Make what comes next in a process of its own while this one works on what came before."""

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from cli.importing.errors import ImportAborted

T = TypeVar("T")


def ahead(make: Callable[..., Iterable[T]], *given: Any) -> Generator[T, None, None]:
    """Yield what `make(*given)` yields; the next value is made in a child process meanwhile, and no more than that one.

    All that goes between the processes is pickled. Errors of `make` are raised here. The child ends with the iterator,
    also when this process is killed: then nobody takes what it has made.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(sender, make, given), daemon=True)
    child.start()
    sender.close()
    try:
        yield from _received(receiver)
    finally:
        receiver.close()
        child.terminate()
        child.join()


def _received(receiver: "Connection[Any, Any]") -> Iterator[Any]:
    while True:
        try:
            value, error = receiver.recv()
        except EOFError as lost:
            raise ImportAborted("the process that reads the file has died: is there enough memory?") from lost
        if error is not None:
            raise error
        if value is None:
            return
        yield value


def _work(sender: "Connection[Any, Any]", make: Callable[..., Iterable[Any]], given: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted parent closes the pipe
    try:
        for value in make(*given):
            sender.send((value, None))
        sender.send((None, None))
    except BrokenPipeError:
        return  # the parent wants no more
    except Exception as error:  # raised in the parent, with the trace of here
        error.add_note(traceback.format_exc())
        sender.send((None, error))
