"""The process: it starts, says it is healthy, answers, and stops cleanly."""

import os
import signal
import socket
import subprocess
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc

from shared.db.engine import Database
from tests.integration.recommendation import shop

SERVICE = "quintet.recommendation.v1.RecommendationService"


def test_the_process_serves_and_stops(sqlite_database: Database) -> None:
    shop.open_shop(sqlite_database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "QUINTET_DATABASE_URL": sqlite_database.url,
        "QUINTET_RECOMMENDATION_PORT": str(port),
        "QUINTET_RECOMMENDATION_METRICS_PORT": "0",
    }
    command = [sys.executable, "-m", "services.recommendation.server"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                grpc.channel_ready_future(channel).result(30)
                request = health_pb2.HealthCheckRequest(service=SERVICE)
                states = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=30)
                next(each for each in states if each.status == health_pb2.HealthCheckResponse.SERVING)
                states.cancel()
                stub = pb_grpc.RecommendationServiceStub(channel)
                answer = stub.Recommend(pb.RecommendRequest(customer_id="c-lover-1", limit=3), timeout=10).list
                assert (len(answer.recommendations), list(answer.fallbacks)) == (3, ["no_model"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()
