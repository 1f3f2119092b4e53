"""Starting the empty service, with answers as large as those that a real coordinator gives."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmContribution,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendationList,
)

from benchmarks.machine import ROOT
from benchmarks.serving.plan import LIMIT
from tests.support.cluster import free_ports

CONTRIBUTIONS = 8
"""Algorithms that contribute to a recommendation of the demo shop, on average."""


def typical_answer() -> RecommendationList:
    """Return an answer as the demo shop gives it, for when no real one is at hand."""
    contributions = [
        AlgorithmContribution(algorithm=f"matrix_factor_{number}", contribution=0.1) for number in range(CONTRIBUTIONS)
    ]
    reason = Reason(
        kind=ReasonKind.REASON_KIND_BECAUSE_YOU_BOUGHT, product_ids=["1029743", "995242"], text="Because you bought it."
    )
    each = Recommendation(
        recommendation_id="1234567",
        product_id="1082185",
        product_name="Bananas, 40 pounds",
        score=0.5,
        algorithm="collaborative",
        reason=reason,
        contributions=contributions,
        category="Tropical fruit",
        position=1,
    )
    each.price.currency_code, each.price.amount_minor = "USD", 199
    return RecommendationList(
        recommendations=[each] * LIMIT, model_version="20260101T000000Z-abcdef", strategy="hybrid"
    )


@contextmanager
def empty_service(answer: RecommendationList, folder: Path) -> Iterator[str]:
    """Give the address of the front of an empty service that answers with `answer`."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = folder / "answer.binpb"
    encoded.write_bytes(pb.RecommendResponse(list=answer).SerializeToString())
    front, back = free_ports(2)
    with ExitStack() as stack:
        stack.enter_context(_process("back", back, str(encoded)))
        stack.enter_context(_process("front", front, f"127.0.0.1:{back}"))
        yield f"127.0.0.1:{front}"


@contextmanager
def _process(role: str, port: int, given: str) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.serving.empty_service", role, str(port), given]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - for the type checker: it is piped
            if process.stdout.readline().strip() != "ready":
                raise SystemExit(f"the {role} of the empty service did not start")
            yield
        finally:
            process.terminate()
