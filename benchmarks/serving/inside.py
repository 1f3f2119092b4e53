"""The recommendation agent in this process, without gRPC: how long it loads, and where the time of an answer goes.

`python -m benchmarks.serving.inside DATABASE_URL PLAN SECONDS OUT`, a process of its own.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.json_format import ParseDict
from quintet.recommendation.v1 import recommendation_service_pb2 as pb

from benchmarks.serving.sampler import Sampler
from services.recommendation import convert
from services.recommendation.agent import RecommendationAgent
from shared.config import Settings
from shared.db.engine import Database
from shared.recommendation_tokens import Shopper

WARM_CALLS = 20


def main(database_url: str, plan: str, seconds: str, out: str) -> None:
    """Measure and write what was found."""
    requests = [
        ParseDict(json.loads(line)["request"], pb.RecommendRequest()) for line in Path(plan).read_text().splitlines()
    ]
    settings = Settings(database_url=database_url, keep_pages_seconds=0)
    database = Database(database_url)
    agent = RecommendationAgent(settings, database)
    started = time.perf_counter()
    agent.start()
    load_seconds = time.perf_counter() - started
    try:
        found = {"load_seconds": load_seconds, **_asked(agent, requests, float(seconds))}
    finally:
        agent.stop()
        database.close()
    Path(out).write_text(json.dumps(found))


def _asked(agent: RecommendationAgent, requests: list[Any], seconds: float) -> dict[str, Any]:
    """Ask one after the other, first without being watched and then sampled."""
    first = _timed(agent, requests[0])
    for request in requests[1 : 1 + WARM_CALLS]:
        _timed(agent, request)
    plain = _for_a_while(agent, requests, seconds / 2)
    sampler = Sampler()
    with sampler.running():
        sampled = _for_a_while(agent, requests, seconds / 2)
    total = sum(sampler.seconds.values())
    return {
        "first_ms": 1000 * first,
        "p50_ms": 1000 * float(np.median(plain)),
        "mean_ms": 1000 * float(np.mean(plain)),
        "sampled_mean_ms": 1000 * float(np.mean(sampled)),
        "calls": len(plain) + len(sampled),
        "shares": {stage: spent / total for stage, spent in sampler.seconds.items()},
    }


def _for_a_while(agent: RecommendationAgent, requests: list[Any], seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    times: list[float] = []
    while time.perf_counter() < until:
        times.append(_timed(agent, requests[len(times) % len(requests)]))
    return times


def _timed(agent: RecommendationAgent, request: Any) -> float:
    """Return how long an answer takes in seconds. Raises RuntimeError when it is not a full one."""
    started = time.perf_counter()
    answer = agent.recommend(convert.to_query(request))
    convert.to_response(answer, Shopper(request.customer_id, request.visitor_id), agent.tokens)
    took = time.perf_counter() - started
    if not answer.model_version or answer.fallbacks:
        raise RuntimeError(f"not a full answer: model {answer.model_version!r}, fallbacks {answer.fallbacks}")
    return took


if __name__ == "__main__":
    main(*sys.argv[1:])
