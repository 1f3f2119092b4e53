"""Process entry of the feedback agent: `python -m services.feedback.server`."""

from collections.abc import Mapping
from datetime import timedelta

from quintet.feedback.v1 import feedback_service_pb2_grpc as pb_grpc

from services.feedback.agent import FeedbackAgent
from services.feedback.attribution import Windows
from services.feedback.drift.alarm import Thresholds
from services.feedback.servicer import FeedbackServicer
from shared.attribution_rules import parse_rules
from shared.config import Settings
from shared.db.condition import DatabaseCondition
from shared.db.connect import serving_database
from shared.db.engine import Database
from shared.db.revision import require_workable
from shared.events.catch_up import CatchUp
from shared.monitoring.monitor import monitored
from shared.rpc.readiness import Check
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped

SERVICE = "quintet.feedback.v1.FeedbackService"


def make_agent(settings: Settings, database: Database) -> FeedbackAgent:
    """Return the agent with the configured attribution windows and rules."""
    click = timedelta(days=settings.attribution_click_days)
    view = timedelta(days=settings.attribution_view_days)
    rules = parse_rules(settings.attribution_rules)
    drift = Thresholds(settings.drift_false_alarms, settings.drift_index, settings.drift_change)
    return FeedbackAgent(database, Windows(click, view, settings.permissions.measure, rules), drift=drift)


def build(settings: Settings, agent: FeedbackAgent, checks: Mapping[str, Check] | None = None) -> AgentServer:
    """Return the server of `agent`, ready while all `checks` hold."""
    service = Service(FeedbackServicer(agent), pb_grpc.add_FeedbackServiceServicer_to_server, SERVICE)
    return AgentServer("feedback", settings, [service], checks)


async def main(settings: Settings) -> None:
    """Serve until the process is told to stop."""
    database = serving_database(settings)
    condition = DatabaseCondition(database, writes=True)
    require_workable(database)
    agent = make_agent(settings, database)
    following = [CatchUp("feedback", agent.apply_batch), CatchUp("feedback", agent.follow_metrics)]
    for each in following:
        each.start()
    try:
        async with monitored(settings, "feedback", database):
            await serve_until_stopped(build(settings, agent, {"database": condition.problem}))
    finally:
        for each in following:
            await each.stop()
        condition.close()
        database.close()


if __name__ == "__main__":
    run("feedback", main)
