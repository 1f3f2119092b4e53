"""A module that an agent's process can be told to run: says its name and a value of its environment, and ends.

With `QUINTET_WAITS` it waits for a signal before it ends.
"""

import os
import signal
import sys

if __name__ == "__main__":
    print(f"{__spec__.name} {os.environ.get('QUINTET_NAME')} {sys.stdin.read()!r}", flush=True)
    if os.environ.get("QUINTET_WAITS"):
        signal.pause()
