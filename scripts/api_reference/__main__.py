"""Renew what the pages of the API have from the contract; `--check` only says whether they are up to date."""

import argparse
import sys

from scripts.api_reference.pages import PAGE, TYPES, fresh


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    check = parser.parse_args().check
    try:
        pages = dict(zip((PAGE, TYPES), fresh(), strict=True))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    stale = [page for page, text in pages.items() if not page.exists() or page.read_text() != text]
    for page in stale:
        if check:
            print(f"out of date: docs/{page.name}; run `make protos`", file=sys.stderr)
        else:
            page.write_text(pages[page])
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
