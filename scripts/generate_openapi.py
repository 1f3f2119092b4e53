"""Write the OpenAPI document of the HTTP calls; `--check` only says whether it is up to date."""

import argparse
import sys

from generate_stubs import ROOT, contract
from quintet.coordinator.v1 import coordinator_service_pb2

from services.coordinator.http.docs_page import OPENAPI
from services.coordinator.http.openapi.document import examples_of, make_document


def document() -> str:
    """Return the document as the contract has it now."""
    service = coordinator_service_pb2.DESCRIPTOR.services_by_name["CoordinatorService"]
    return make_document(service, contract(), examples_of(ROOT / "docs" / "api.md"), "1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the document is out of date")
    fresh = document()
    if not parser.parse_args().check:
        OPENAPI.write_text(fresh)
        return 0
    if OPENAPI.exists() and OPENAPI.read_text() == fresh:
        return 0
    print(f"out of date: {OPENAPI.relative_to(ROOT)}; run `make protos`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
