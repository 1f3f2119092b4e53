"""Machine code that one process compiled is loaded by another before anything is called."""

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE = """
import json
from shared.compiled import compiled, load_compiled

@compiled
def doubled(number):
    return 2 * number

if __name__ == "__main__":
    loaded, known = load_compiled(), len(doubled.signatures)
    print(json.dumps([loaded, known, doubled(21), len(doubled.stats.cache_hits), len(doubled.stats.cache_misses)]))
"""


def run(folder: Path) -> list[int]:
    """Return what was loaded, known before the first call, answered, and found and missed on disk."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, str(folder / "program.py")]
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
    return list(map(int, json.loads(done.stdout)))


def test_what_is_on_disk_is_loaded_before_the_first_call(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SOURCE)
    assert run(tmp_path) == [0, 0, 42, 0, 1]
    assert run(tmp_path) == [1, 1, 42, 1, 0]
