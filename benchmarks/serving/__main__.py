"""`python -m benchmarks.serving`: measure how fast the agents answer and write the page. See benchmarks/README.md."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.command import TooSlow
from benchmarks.machine import ROOT
from benchmarks.serving import load
from benchmarks.serving.bench import Bench, Options
from benchmarks.serving.generated import Size
from benchmarks.serving.parts import PARTS
from benchmarks.serving.report import write_page
from benchmarks.serving.results import Results
from shared.errors import QuintetError

RESULTS = ROOT / "benchmarks" / "results" / "serving.json"
PAGE = ROOT / "docs" / "benchmarks" / "serving.md"
QUICK = ROOT / ".build" / "bench" / "quick"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when a part could not be measured, which the page says."""
    given = _parser().parse_args(arguments)
    quick = given.quick and not given.report_only
    out = given.out or (QUICK / RESULTS.name if quick else RESULTS)
    page = given.page or (QUICK / PAGE.name if quick else PAGE)
    results = Results.load(out)
    failed = False
    if not given.report_only:
        load.build()
        bench = Bench(_options(given), results)
        for name in given.only:
            try:
                PARTS[name](bench)
            except (TooSlow, QuintetError) as reason:
                failed = True
                bench.leave_out(name, str(reason))
            results.save(out)  # what took long is not lost when the next part fails
    if given.label:
        results.remember(given.label)
        results.save(out)
    write_page(results, page)
    if given.json:
        print(out.read_text(), end="")
    print(f"{out}\n{page}", file=sys.stderr)
    return 1 if failed else 0


def _options(given: argparse.Namespace) -> Options:
    options = Options(
        given.quick, given.seconds, seed=given.seed, renew=given.renew, reuse=given.reuse, minutes=given.minutes
    )
    return replace(
        options,
        generated=given.generated or replace(options.generated, seed=given.seed),
        million=given.million or replace(options.million, seed=given.seed),
    )


def size_of(text: str) -> Size:
    """Return a size from `PRODUCTS,CUSTOMERS,EVENTS`. Raises ArgumentTypeError for anything else."""
    try:
        products, customers, events = (int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: write PRODUCTS,CUSTOMERS,EVENTS") from error
    return Size(products, customers, events)


def parts_of(text: str) -> list[str]:
    """Return the names of parts from `NAME,NAME`, in the order in which they are run."""
    names = text.split(",")
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    say = parser.add_argument
    say("--only", type=parts_of, default=list(PARTS), metavar="PART,…", help=f"of {', '.join(PARTS)}; others stay")
    say("--quick", action="store_true", help="short phases; results and page under .build/bench/quick")
    say("--seconds", type=float, help="seconds of a phase (default: 15, with --quick 4)")
    say("--seed", type=int, default=0, help="seed of everything by chance (default: 0)")
    say("--generated", type=size_of, metavar="P,C,E", help="generated shop (default: 100000,200000,5000000)")
    say("--million", type=size_of, metavar="P,C,E", help="with a large catalogue (default: 1000000,200000,5000000)")
    say("--minutes", type=float, default=90.0, help="longest import of a file, or training, of a shop (default: 90)")
    say("--renew", action="store_true", help="import and train the shops anew")
    say("--reuse", action="store_true", help="use the shops that are there, whatever code they were trained by")
    say("--label", help="keep the figures and the profile in the history under this name")
    say("--out", type=Path, help="file of the results (default: benchmarks/results/serving.json)")
    say("--page", type=Path, help="file of the page (default: docs/benchmarks/serving.md)")
    say("--report-only", action="store_true", help="write the page from the results that are there")
    say("--json", action="store_true", help="print the results")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
