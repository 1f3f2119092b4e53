"""A module that an agent's process can be told to run: says its name and a value of its environment, and ends."""

import os
import sys

if __name__ == "__main__":
    print(f"{__spec__.name} {os.environ.get('QUINTET_NAME')} {sys.stdin.read()!r}")
