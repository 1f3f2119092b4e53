"""`quintet improvement`: changes of the model and the weights, what triggered them, the evidence, how far they are."""

from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as job_pb
from quintet.coordinator.v1 import improvement_pb2 as pb
from quintet.type.v1.experiment_pb2 import ArmComparison, ExperimentMetric, Verdict
from quintet.type.v1.improvement_pb2 import (
    DriftCheck,
    ImprovementRun,
    ImprovementState,
    ImprovementTrigger,
    ShadowModel,
)
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import out, print_json, reported
from shared.config import Settings
from shared.job_kinds import IMPROVE

Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Reason = Annotated[str, typer.Option(help="Why, for those who look later; at most 500 characters.")]

improvement = typer.Typer(
    help="Continuous improvement: drift, and the gate that new models pass.", no_args_is_help=True
)


@improvement.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    page_token: Annotated[str, typer.Option(help="Token of the next page, which --json shows.")] = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Say which runs there were, newest first, and what the latest look for drift found.

    Example: `quintet improvement list`
    """
    request = pb.ListImprovementRunsRequest(page_size=limit, page_token=page_token)
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ListImprovementRuns(request, timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    if answer.control.paused:
        out.print(_paused(answer.control), highlight=False)
    table = Table("run", "what", "state", "since", "trigger", "candidate", "why")
    for each in answer.runs:
        table.add_row(each.run_id, *_row(each))
    out.print(table)
    if answer.HasField("latest_check"):
        out.print(_check(answer.latest_check), highlight=False)


@improvement.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(help="The run, see `quintet improvement list`.")],
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Say what triggered a run, what it changes, the evidence, and how far it is.

    Example: `quintet improvement show 3f2c9a7d41b84e0f9d5a6c7b8e9f0a1b`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetImprovementRun(pb.GetImprovementRunRequest(run_id=run_id), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    run = answer.run
    what, state, since, trigger, candidate, _ = _row(run)
    out.print(f"{what} {run.former_version or 'none'} → {candidate}: {state} since {since}", highlight=False)
    out.print(f"triggered by {trigger} {run.drift_date}, started {_time(run.start_time)}".strip(), highlight=False)
    out.print(run.reason, highlight=False, markup=False)
    if run.HasField("paired_test"):
        _print_test(run)
    for stage, compared in (("canary", run.canary), ("holdback", run.holdback)):
        if compared:
            _print_comparisons(stage, list(compared))
    if run.candidate_weights:
        _print_weights(run)
    if answer.HasField("check"):
        out.print(_check(answer.check), highlight=False)


@improvement.command("run")
def run_now(
    look: Annotated[bool, typer.Option("--look", help="Only look at drift and at the open run.")] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Train now and take the model through the gate.

    Example: `quintet improvement run`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        if look:
            job = stub.RunSchedule(job_pb.RunScheduleRequest(kind=IMPROVE), timeout=TIMEOUT_SECONDS).job
        else:
            job = stub.TrainModels(job_pb.TrainModelsRequest(), timeout=TIMEOUT_SECONDS).job
    if as_json:
        print_json(job)
    else:
        out.print(f"started: quintet jobs watch {job.job_id}", highlight=False)


@improvement.command("pause")
def pause(reason: Reason = "", address: Address = "", as_json: AsJson = False) -> None:
    """Begin no training by the clock or for drift and put nothing in use; guardrails still roll back.

    Example: `quintet improvement pause --reason "Sale"`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.PauseImprovement(pb.PauseImprovementRequest(reason=reason), timeout=TIMEOUT_SECONDS)
    _say(answer.control, as_json)


@improvement.command("resume")
def resume(reason: Reason = "", address: Address = "", as_json: AsJson = False) -> None:
    """Go on with improvement.

    Example: `quintet improvement resume`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ResumeImprovement(pb.ResumeImprovementRequest(reason=reason), timeout=TIMEOUT_SECONDS)
    _say(answer.control, as_json)


@improvement.command("shadow")
def shadow(
    version: Annotated[str, typer.Argument(help="A stored version, see `quintet models list`; default: show.")] = "",
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the answers; 0 takes 0.05.")] = 0.0,
    off: Annotated[bool, typer.Option("--off", help="The version is a shadow no more.")] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Have a version answer a share of the requests again without being shown, or say how far it agrees.

    Example: `quintet improvement shadow 20260101T120000Z-a1b2c3 --share 0.1`
    """
    if off and not version:
        raise typer.BadParameter("--off needs the version")
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        if off:
            stub.DeleteShadowModel(pb.DeleteShadowModelRequest(version=version), timeout=TIMEOUT_SECONDS)
        elif version:
            stub.SetShadowModel(pb.SetShadowModelRequest(version=version, share=share), timeout=TIMEOUT_SECONDS)
        answer = stub.ListShadowModels(pb.ListShadowModelsRequest(), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    table = Table("version", "share", "lists", "dropped", "overlap", "rank correlation", "clicked too", "bought too")
    for each in answer.shadows:
        table.add_row(*_shadow_row(each))
    out.print(table)


def _shadow_row(shadow: ShadowModel) -> tuple[str, ...]:
    correlation = f"{shadow.rank_correlation:+.2f}" if shadow.HasField("rank_correlation") else "–"
    return (
        shadow.version,
        f"{shadow.share:.0%}" if shadow.share else "off",
        f"{shadow.lists:,}",
        f"{shadow.dropped:,}",
        f"{shadow.overlap:.2f}",
        correlation,
        f"{shadow.clicked_too} of {shadow.clicked}",
        f"{shadow.bought_too} of {shadow.bought}",
    )


def _say(control: pb.ImprovementControl, as_json: bool) -> None:
    if as_json:
        print_json(control)
    else:
        out.print(_paused(control) if control.paused else "improvement goes on", highlight=False)


def _paused(control: pb.ImprovementControl) -> str:
    why = f": {control.reason}" if control.reason else ""
    return f"improvement is paused since {_time(control.change_time)}{why}"


def _row(run: ImprovementRun) -> tuple[str, str, str, str, str, str]:
    return (
        "weights" if run.candidate_weights else "model",
        ImprovementState.Name(run.state).removeprefix("IMPROVEMENT_STATE_"),
        _time(run.state_time),
        ImprovementTrigger.Name(run.trigger).removeprefix("IMPROVEMENT_TRIGGER_").lower(),
        run.candidate_version,
        run.reason,
    )


def _check(check: DriftCheck) -> str:
    """Return what a look found, a line for each finding."""
    found = [each for each in check.tests if each.found]
    if not found:
        return f"{check.date}: no drift in {len(check.tests)} tests"
    lines = [f"  {each.subject}: {each.before:.4f} before, {each.value:.4f} ({each.size:+.2f})" for each in found]
    return "\n".join([f"{check.date}: drift", *lines])


def _print_test(run: ImprovementRun) -> None:
    test = run.paired_test
    table = Table("page", "questions", "candidate", "live model", title="paired test, NDCG at 20")
    for page in test.pages:
        table.add_row(page.page_type, f"{page.questions:,}", f"{page.candidate:.4f}", f"{page.live:.4f}")
    table.add_row("all", f"{test.questions:,}", f"{test.candidate:.4f}", f"{test.live:.4f}")
    out.print(table)
    out.print(
        f"difference {test.difference:+.4f}, from {test.low:+.4f} to {test.high:+.4f}, margin {-test.margin:+.4f}",
        highlight=False,
    )


def _print_comparisons(stage: str, compared: list[ArmComparison]) -> None:
    table = Table("guardrail", "difference", "from", "to", "verdict", title=f"{stage}, latest look")
    for each in (each for each in compared if each.guardrail):
        figures = [_share(each, name) for name in ("difference", "low", "high")]
        metric = ExperimentMetric.Name(each.metric).removeprefix("EXPERIMENT_METRIC_").lower()
        table.add_row(metric, *figures, Verdict.Name(each.verdict).removeprefix("VERDICT_").lower())
    out.print(table)


def _share(each: ArmComparison, name: str) -> str:
    return f"{getattr(each, name):+.1%}" if each.HasField(name) else "–"  # type: ignore[arg-type]


def _print_weights(run: ImprovementRun) -> None:
    former = {each.algorithm: each.weight for each in run.former_weights}
    table = Table("algorithm", "before", "after")
    for each in run.candidate_weights:
        table.add_row(each.algorithm, f"{former.get(each.algorithm, 0.0):.3f}", f"{each.weight:.3f}")
    out.print(table)


def _time(moment: Timestamp) -> str:
    return f"{moment.ToDatetime():%Y-%m-%d %H:%M} UTC"
