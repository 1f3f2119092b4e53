"""What ranx says of lists, as a program of its own: reads questions as JSON from its input, prints values by metric.

It is told not to compile (`NUMBA_DISABLE_JIT=1`), which has to be said before it is imported: to compile ranx takes
minutes, and a few questions take less than a second without.
"""

import json
import os
import subprocess
import sys

from services.recommendation.algorithms.arrays import Rows


def values_by_ranx(listed: Rows, relevant: list[Rows], metrics: list[str]) -> dict[str, float]:
    """Return the mean of each metric, such as `recall@5`, over all questions."""
    questions = {
        "relevant": [each.tolist() for each in relevant],
        "listed": [each.tolist() for each in listed],
        "metrics": metrics,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", __name__],
        input=json.dumps(questions),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _main() -> None:
    from ranx import Qrels, Run, evaluate

    given = json.load(sys.stdin)
    qrels = Qrels({str(q): {str(p): 1 for p in own} for q, own in enumerate(given["relevant"])})
    run = Run(
        {
            str(q): {str(p): float(len(own) - place) for place, p in enumerate(own) if p >= 0}
            for q, own in enumerate(given["listed"])
        }
    )
    values = evaluate(qrels, run, given["metrics"])
    print(json.dumps({name: float(value) for name, value in values.items()}))


if __name__ == "__main__":
    _main()
