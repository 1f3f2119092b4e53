"""`python -m benchmarks.main`: run the demo, an import, faults and a foreign file, and write the page."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks.machine import DATA, DEFAULT_DATA, ROOT
from benchmarks.main.parts import PARTS, Bench
from benchmarks.serving.results import Results
from benchmarks.tables import table

RESULTS = ROOT / "benchmarks" / "results" / "main.json"
PAGE = ROOT / "docs" / "benchmarks" / "main.md"
CACHE = ROOT / ".build" / "bench" / "main"

HEAD = """\
# The product as a whole

Made by `make bench-main` from `benchmarks/results/main.json`; do not edit. How it is measured is said in
[benchmarks/README.md](../../benchmarks/README.md#the-product-as-a-whole).
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    results = Results.load(given.out)
    if not given.report_only:
        bench = Bench(results, CACHE, given.data.absolute(), given.junit, given.coverage)
        for name in given.only or PARTS:
            PARTS[name](bench)
            results.save(given.out)
    write_page(results, given.page)
    if given.json:
        print(given.out.read_text(), end="")
    print(f"{given.out}\n{given.page}", file=sys.stderr)
    return 0


def write_page(results: Results, page: Path) -> None:
    """Write the page. The same results give the same page to the byte."""
    page.parent.mkdir(parents=True, exist_ok=True)
    lines = [[row["name"], f"{row['value']:,g}", row["unit"]] for row in results.rows]
    settings = []
    for part, how in sorted(results.settings.items()):
        hardware = f"{how['machine']['cores']} × {how['machine']['processor']}, {how['machine']['memory_gb']} GB"
        settings.append([part, how["commit"], f"{how['load']:g}", hardware])
    measured = table(("part", "commit", "load before", "machine"), settings, "llrl")
    page.write_text("\n".join([HEAD, table(("figure", "value", ""), lines, "lrl"), "## Measured with\n", measured]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.main", description=__doc__)
    folder = Path(os.environ.get(DATA, DEFAULT_DATA))
    say = parser.add_argument
    say("--only", nargs="+", choices=list(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}; the others stay")
    say("--data", type=Path, default=folder, help=f"folder of the data sets (default: ${DATA}, else ../shared/data)")
    say("--junit", type=Path, help="report of `make test PYTEST_ARGS=--junit-xml=FILE`")
    say("--coverage", type=Path, help="what `coverage json -o FILE` wrote after `make test`")
    say("--out", type=Path, default=RESULTS, help="file of the results")
    say("--page", type=Path, default=PAGE, help="file of the page")
    say("--report-only", action="store_true", help="write the page from the results that are there")
    say("--json", action="store_true", help="print the results")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
