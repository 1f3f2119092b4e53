"""The coordinator's gRPC face, by subject; each RPC converts, delegates, converts."""

from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from services.coordinator.agent import Coordinator
from services.coordinator.customer_rpcs import CustomerRpcs
from services.coordinator.event_log_rpcs import EventLogRpcs
from services.coordinator.event_rpcs import EventRpcs
from services.coordinator.experiment_rpcs import ExperimentRpcs
from services.coordinator.improvement_rpcs import ImprovementRpcs
from services.coordinator.job_rpcs import JobRpcs
from services.coordinator.merchandising_rpcs import MerchandisingRpcs
from services.coordinator.model_rpcs import ModelRpcs
from services.coordinator.operation_rpcs import OperationRpcs
from services.coordinator.privacy_rpcs import PrivacyRpcs
from services.coordinator.product_rpcs import ProductRpcs
from services.coordinator.recommendation_rpcs import RecommendationRpcs


class CoordinatorServicer(
    EventRpcs,
    EventLogRpcs,
    RecommendationRpcs,
    CustomerRpcs,
    PrivacyRpcs,
    ProductRpcs,
    MerchandisingRpcs,
    ExperimentRpcs,
    JobRpcs,
    ImprovementRpcs,
    ModelRpcs,
    OperationRpcs,
    pb_grpc.CoordinatorServiceServicer,
):
    """All RPCs of the coordinator."""

    def __init__(self, agent: Coordinator) -> None:
        self._agent = agent
