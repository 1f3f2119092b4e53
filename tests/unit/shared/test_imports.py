"""What an agent loads before it serves: each library that it does not need costs every start its time and memory."""

import subprocess
import sys

import pytest

NEEDED_BY_JOBS = ("alembic", "sklearn", "pandas", "pyarrow", "lightgbm", "scipy.linalg")


@pytest.mark.parametrize(
    ("agent", "unneeded"),
    [
        ("coordinator", (*NEEDED_BY_JOBS, "scipy", "numba")),
        ("customer", (*NEEDED_BY_JOBS, "scipy", "numba")),
        ("product", (*NEEDED_BY_JOBS, "scipy", "numba")),
        ("recommendation", NEEDED_BY_JOBS),
        ("feedback", (*NEEDED_BY_JOBS, "scipy", "numba")),
    ],
)
def test_an_agent_starts_without_what_only_its_jobs_need(agent: str, unneeded: tuple[str, ...]) -> None:
    program = f"import services.{agent}.server, sys; print([name for name in {unneeded!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
