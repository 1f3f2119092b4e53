"""What a coordinator says of jobs, as the commands print it."""

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.job_pb2 import Job, JobState

from cli.client import coordinator
from cli.output import fail
from cli.progress import Show

Field = Any
"""A field's descriptor, of which the library has two classes."""


def watched(stub: Any, job_id: str, show: Show) -> Job:
    """Show the progress of a job until it has ended, and return it."""
    job = Job(job_id=job_id)
    for answer in stub.WatchJob(pb.WatchJobRequest(job_id=job_id)):
        job = answer.job
        show(job.stage, job.progress)
    return job


def run_remote(address: str, start: Callable[[Any], Job], show: Show) -> dict[str, Any]:
    """Start a job at a coordinator, show its progress, and return its result. Ends the command when the job fails."""
    with coordinator(address) as stub:
        return result_of(watched(stub, start(stub).job_id, show))


def result_of(job: Job) -> dict[str, Any]:
    """Return the result of a job that has ended. Ends the command when it did not succeed."""
    if job.state == JobState.JOB_STATE_CANCELLED:
        fail(f"{job.kind} was cancelled")
    if job.state != JobState.JOB_STATE_SUCCEEDED:
        fail(f"{job.kind} failed: {job.error}")
    kind = job.WhichOneof("result")
    return plain(getattr(job, kind)) if kind else {}


def plain(message: Message) -> dict[str, Any]:
    """Return a message as a dictionary with all numbers as such, those that are 0 too; without unset messages.

    Weights come by the algorithm's name, and the metrics of an evaluation beside its other facts.
    """
    if isinstance(message, Struct):
        return MessageToDict(message)
    found = {field.name: _value(message, field) for field in message.DESCRIPTOR.fields if _is_there(message, field)}
    if "weights" in found:
        found["weights"] = {each["algorithm"]: each["weight"] for each in found["weights"]}
    return {**found, **found.pop("metrics", {})}


def _is_there(message: Message, field: Field) -> bool:
    return not field.has_presence or message.HasField(field.name)


def _value(message: Message, field: Field) -> Any:
    value = getattr(message, field.name)
    entry = field.message_type
    if entry is None:
        return list(value) if field.is_repeated else value
    if entry.GetOptions().map_entry:
        holds_messages = entry.fields_by_name["value"].message_type is not None
        return {name: plain(value[name]) if holds_messages else value[name] for name in sorted(value)}
    return [plain(each) for each in value] if field.is_repeated else plain(value)
