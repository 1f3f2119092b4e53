"""The report: a page of tables with pictures. The same results give the same page to the byte."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.quality.ablation import MOST_QUESTIONS
from benchmarks.quality.comparison import OWN, Comparison, Entry, Estimate, Role, comparisons, estimate_of
from benchmarks.quality.order import WITHOUT
from benchmarks.quality.pictures import draw_evaluation, draw_overview
from benchmarks.quality.published import Value
from benchmarks.quality.results import Results, Row
from benchmarks.tables import table
from services.recommendation.evaluation.page_ranker import RANKED
from services.recommendation.evaluation.served_ranker import OFFLINE_PAGE, SERVED, WITHOUT_RULE
from services.recommendation.holdout.tasks import Protocol

BUDGET_SECONDS = 600
BUDGET_MB = 4096

BEYOND = ("coverage", "diversity", "novelty", "serendipity", "popularity_bias", "gini")
PARTS = {
    "repeat": "products that the shopper met before",
    "new": "products that the shopper never met before",
    "cold-user": "customers with fewer than 5 events in train",
    "cold-item": "products with fewer than 5 events in train",
}
SIMPLE = ("most_popular", "personal_frequency")
"""Simple baselines that stand beside the product in the table of parts."""

HEAD = """\
# How good the recommendations are

Made by `make bench-quality` from `benchmarks/results/quality.json`; do not edit. What the metrics and protocols are:
[evaluation.md](../evaluation.md). How to run it: [benchmarks/README.md](../../benchmarks/README.md).

All rankings are over the whole catalogue that train knows, never over a sample. Brackets are bootstrap 95 % intervals
over customers or sessions; "gain" is the mean difference of each question, with the interval of the paired bootstrap,
and decides whether one is better than another. "Beyond" needs the whole interval above the figure. One configuration
serves all sets: what depends on the data is learned on a validation split inside train.
"""


def write_report(results: Results, page: Path) -> None:
    """Write the page, and its pictures beside it."""
    page.parent.mkdir(parents=True, exist_ok=True)
    measured = comparisons(results)
    if any(each.own() for each in measured):
        draw_overview(measured, page.parent / "quality-overview.png")
    for each in measured:
        draw_evaluation(each, page.parent / f"quality-{each.name}.png")
    page.write_text("\n".join(_page(measured)))


def _page(measured: list[Comparison]) -> Iterator[str]:
    yield HEAD
    yield from _summary(measured)
    yield from _served(measured)
    yield from _parts(measured)
    yield from _costs(measured)
    for each in measured:
        yield from _section(each)
    yield from _ablations(measured)
    yield from _beyond(measured)
    yield from _slices(measured)
    yield from _setting(measured)


def _summary(measured: list[Comparison]) -> Iterator[str]:
    owned = [each for each in measured if each.own()]
    if not owned:
        return
    yield "## Summary\n"
    yield "![Ours against what was to be reached, the best published and the baselines](quality-overview.png)\n"
    rows = []
    for each in owned:
        for check in each.checks():
            metric = f"{check.metric}@{each.evaluation.k}"
            rows.append(
                [
                    f"[{each.dataset.title}, {each.evaluation.protocol}](#{_anchor(_title(each))})",
                    metric,
                    f"**{_digits(check.own.value)}** {_interval(check.own)}",
                    _named(check.baseline, check.metric),
                    _signed(check.gain),
                    _reference(check.known, check.metric),
                    _reference(check.quick, check.metric),
                    _digits(check.reach) if check.reach is not None else "every baseline",
                    _digits(check.beyond) if check.beyond is not None else "–",
                    check.verdict,
                ]
            )
    head = (
        *("data and protocol", "metric", "quintet", "best baseline", "gain over it", "best published"),
        *("our best quick model", "reach", "beyond", ""),
    )
    yield table(head, rows, "llrlrllrrl")


def _served(measured: list[Comparison]) -> Iterator[str]:
    """Show the list that is served beside the offline one, and what each rule of the page costs."""
    rows = [_steps(each, metric) for each in measured if each.step(SERVED) for metric in each.evaluation.metrics]
    if not rows:
        return
    yield "## The list that is served\n"
    yield (
        "The questions replayed through the page path of the agent (`quintet evaluate --served`). `quintet.page` is the"
        " offline ranker for the products that the page may show; `served.ranked` is the ranking of the page before its"
        " rules, `served` what it shows. The last columns say what a rule changes: the page against itself without the"
        " rule, relative, with the interval of the paired bootstrap.\n"
    )
    head = ("", "metric", OWN, *_LISTS, f"{RANKED} to {OFFLINE_PAGE}", *(_rule(name) for name in WITHOUT_RULE))
    yield table(head, rows, "ll" + "r" * (len(head) - 2))


def _steps(each: Comparison, metric: str) -> list[str]:
    entries = [each.step(name) for name in (OWN, *_LISTS)]
    pairs = [(RANKED, OFFLINE_PAGE), *((SERVED, name) for name in WITHOUT_RULE)]
    figures = [_figure(entry.metrics.get(metric)) if entry else "–" for entry in entries]
    changes = [_relative(each.relative(*pair, metric)) for pair in pairs]
    return [_title(each), f"{metric}@{each.evaluation.k}", *figures, *changes]


def _relative(change: Estimate | None) -> str:
    if change is None:
        return "–"
    value, low, high = (_percent(end) for end in change)
    return value if change.exact else f"{value} [{low}, {high}]"


def _rule(name: str) -> str:
    return name.removeprefix(f"{SERVED}.without_")


_LISTS = (OFFLINE_PAGE, RANKED, SERVED)


def _reference(value: Value | None, metric: str) -> str:
    return f"{_digits(value.metrics[metric])} {value.model}" if value else "–"


def _signed(gain: Estimate | None) -> str:
    """Return a difference with its interval, with signs."""
    if gain is None:
        return "–"
    value, low, high = (f"{each:+.4f}".replace("0.", ".", 1).replace("-", "−") for each in gain)
    return f"{value} [{low}, {high}]"


def _named(entry: Entry | None, metric: str) -> str:
    return f"{_digits(entry.metrics[metric].value)} {entry.name}" if entry else "–"


def _parts(measured: list[Comparison]) -> Iterator[str]:
    """Say where one of the product's parts alone is better than all of them together, and where it comes close."""
    owned = [each for each in measured if each.own() and each.best(Role.PART, each.evaluation.metrics[0])]
    if not owned:
        return
    ahead, close = _lines_of_parts(owned, Comparison.ahead), _lines_of_parts(owned, Comparison.close)
    every = "The mean of the hybrid is better than that of each of its parts"
    yield f"{every}, except:\n" if ahead else f"{every} in every row.\n"
    yield from [*ahead, ""] if ahead else []
    if close:
        yield "The hybrid is not better than these parts beyond chance:\n"
        yield from [*close, ""]


def _lines_of_parts(owned: list[Comparison], chosen: Callable[[Comparison, str], list[Entry]]) -> list[str]:
    return [
        f"- {each.dataset.title}, {each.evaluation.protocol}, {metric}: "
        + ", ".join(f"{entry.name} {_digits(entry.metrics[metric].value)}" for entry in entries)
        for each in owned
        for metric in each.evaluation.metrics
        if (entries := chosen(each, metric))
    ]


def _costs(measured: list[Comparison]) -> Iterator[str]:
    costs = [own.cost for each in measured if (own := each.own()) and own.cost]
    if not costs:
        return
    seconds = sum(cost["train_seconds"] for cost in costs)
    peak = max(cost["peak_mb"] for cost in costs)
    yield (
        f"Training the product took {seconds:.0f} s in all, summed over the {len(costs)} evaluations"
        f" (budget {BUDGET_SECONDS} s); its memory peaked at {peak:,.0f} MB (budget {BUDGET_MB:,} MB).\n"
    )


def _section(each: Comparison) -> Iterator[str]:
    metrics = each.evaluation.metrics
    yield f"## {_title(each)}\n"
    yield f"{each.dataset.about} {_counts(each)}\n"
    yield f"![{_title(each)}](quality-{each.name}.png)\n"
    rows = [_line(entry, metrics) for entry in each.everybody()]
    head = ("", "", *(f"{metric}@{each.evaluation.k}" for metric in metrics), "training s", "ms a shopper", "peak MB")
    yield table(head, rows, "ll" + "r" * (len(metrics) + 3))
    sources = sorted({(entry.source, entry.name) for entry in each.everybody() if entry.source})
    for source in dict.fromkeys(source for source, _ in sources):
        yield f"- {', '.join(name for of, name in sources if of == source)}: {source}."
    for name, why in sorted(each.settings.get("skipped", {}).items()):
        yield f"- {name} did not take part: {why}."
    yield ""


def _title(each: Comparison) -> str:
    return f"{each.dataset.title}: {each.evaluation.protocol}"


def _counts(each: Comparison) -> str:
    settings, asked = each.settings, each.settings["questions"]
    train, test = settings["train"], settings["test"]
    text = (
        f"Train: {train['events']:,} events of {train['customers']:,} customers or sessions"
        f" with {train['products']:,} products; test: {test['events']:,} events; {asked:,} questions."
    )
    if settings["limit_questions"] == asked:
        text += " These questions are a sample."
    own = each.own()
    if each.missed and own:
        strict = " / ".join(_digits(each.strict(own.metrics[metric]).value) for metric in each.evaluation.metrics)
        text += (
            f" {each.missed:,} more questions ask for products that train never saw. They are not in the means below;"
            f" counted as misses, as in the published figures and in the summary, ours is {strict}."
        )
    return text


def _line(entry: Entry, metrics: Sequence[str]) -> list[str]:
    name = f"**{entry.name}**" if entry.role is Role.OWN else entry.name
    figures = [_figure(entry.metrics.get(metric), bold=entry.role is Role.OWN) for metric in metrics]
    return [name, str(entry.role), *figures, *_cost(entry)]


def _cost(entry: Entry) -> list[str]:
    if entry.cost is None:
        return ["", "", ""]
    cost = entry.cost
    return [f"{cost['train_seconds']:.1f}", f"{cost['ms_per_user']:.2f}", f"{cost['peak_mb']:,.0f}"]


def _ablations(measured: list[Comparison]) -> Iterator[str]:
    ablated = [(each, whole) for each in measured if (whole := each.whole())]
    if not ablated:
        return
    yield "## Without each part\n"
    yield (
        "The hybrid learned anew without one of its algorithms, in brackets the change. The largest loss first."
        f" To save time all of them, the whole product too, learn from and are asked {MOST_QUESTIONS:,} questions at"
        " most, so the figures differ from those above. What one algorithm proposes others often propose too: losing"
        " one costs little where another stands in, and changes of a percent, up or down, may be chance.\n"
    )
    for each, whole in ablated:
        yield f"### {_title(each)}, without a part\n"
        metrics = each.evaluation.metrics
        rows = [_loss(entry, whole, metrics) for entry in each.lesser()]
        complete = ["**nothing**", *(_figure(whole.metrics[metric], bold=True) for metric in metrics)]
        head = ("without", *(f"{metric}@{each.evaluation.k}" for metric in metrics))
        yield table(head, [complete, *rows], "l" + "r" * len(metrics))


def _loss(entry: Entry, whole: Entry, metrics: Sequence[str]) -> list[str]:
    changes = [entry.metrics[metric].value / whole.metrics[metric].value - 1 for metric in metrics]
    figures = [
        f"{_digits(entry.metrics[metric].value)} ({_percent(change)})"
        for metric, change in zip(metrics, changes, strict=True)
    ]
    return [entry.name.removeprefix(WITHOUT), *figures]


def _beyond(measured: list[Comparison]) -> Iterator[str]:
    """Show the product and the best-sellers by what lists are beyond accuracy."""
    rows = [
        [_title(each), entry.name, *(_short(entry.metrics.get(metric)) for metric in BEYOND)]
        for each in measured
        for entry in each.measured()
        if entry.name in ("quintet", "most_popular")
    ]
    if rows:
        yield "## Beyond accuracy\n"
        yield table(("", "", *BEYOND), rows, "ll" + "r" * len(BEYOND))


def _slices(measured: list[Comparison]) -> Iterator[str]:
    rows = [line for each in measured for name in PARTS for line in _slice(each, name)]
    if rows:
        yield "## Repeats, new products, cold customers and cold products\n"
        yield (
            "; ".join(f"{name}: {what}" for name, what in PARTS.items())
            + ". Only the answers named count. Sessions have no"
            " cold customers: there every shopper is the running session alone.\n"
        )
        head = ("", "part", "questions", "metric", "quintet", "best baseline", *SIMPLE, "")
        yield table(head, rows, "llrlrl" + "r" * len(SIMPLE) + "l")


def _slice(each: Comparison, name: str) -> Iterator[list[str]]:
    if name == "cold-user" and each.evaluation.protocol is Protocol.SESSION:
        return
    metric = each.evaluation.metrics[0]
    rows = [row for row in each.slices if row["slice"] == name and row["metric"] == metric and row["value"] is not None]
    own = next((row for row in rows if row["algorithm"] == "quintet"), None)
    best = max(_of_baselines(each, rows), key=lambda row: float(row["value"]), default=None)
    if own:
        figures = [_figure(estimate_of(own)), f"{_digits(best['value'])} {best['algorithm']}" if best else "–"]
        of_simple = {row["algorithm"]: _digits(row["value"]) for row in rows if row["algorithm"] in SIMPLE}
        figures += [of_simple.get(simple, "–") for simple in SIMPLE]
        behind = "behind" if best and best["value"] > own["value"] else ""
        yield [_title(each), name, f"{own['questions']:,}", f"{metric}@{each.evaluation.k}", *figures, behind]


def _of_baselines(each: Comparison, rows: Iterable[Row]) -> list[Row]:
    names = {entry.name for entry in each.measured() if entry.role is Role.BASELINE}
    return [row for row in rows if row["algorithm"] in names]


def _setting(measured: list[Comparison]) -> Iterator[str]:
    if not measured:
        return
    yield "## Where and how\n"
    rows = []
    for each in measured:
        settings, machine = each.settings, each.settings["machine"]
        hardware = f"{machine['cores']} × {machine['processor']}, {machine['memory_gb']} GB, {machine['system']}"
        libraries = ", ".join(f"{name} {machine[name]}" for name in machine if name not in _HARDWARE)
        how = f"seed {settings['seed']}, {settings['bootstrap']} resamples, {settings['threads']} threads"
        rows.append([_title(each), settings["commit"], how, f"{settings['seconds']:,.0f}", hardware, libraries])
    yield table(("", "commit", "how", "seconds in all", "machine", "versions"), rows, "lllrll")


_HARDWARE = ("processor", "cores", "memory_gb", "system")


def _figure(estimate: Estimate | None, *, bold: bool = False) -> str:
    if estimate is None:
        return "–"
    value = f"**{_digits(estimate.value)}**" if bold else _digits(estimate.value)
    return f"{value} {_interval(estimate)}".rstrip()


def _interval(estimate: Estimate) -> str:
    return "" if estimate.exact else f"[{_digits(estimate.low)}, {_digits(estimate.high)}]"


def _digits(value: float) -> str:
    """Return four decimals without the leading zero, as tables of this field have them."""
    return f"{value:.4f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.4f}"


def _percent(change: float) -> str:
    return f"{100 * change:+.1f} %".replace("-", "−")


def _short(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.3f}"


def _anchor(title: str) -> str:
    kept = (letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return "".join(kept).replace(" ", "-")
