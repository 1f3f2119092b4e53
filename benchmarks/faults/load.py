"""The load, as a program of its own: `python -m benchmarks.faults.load ADDRESS PREFIX`.

It calls until its input ends and then prints what it saw as JSON. Each line of input is the name of the phase that
begins; `record` and `ask` say whether events are recorded from now on.
"""

import json
import sys
import time

from benchmarks.faults.callers import PAUSE_SECONDS, Callers, Material
from benchmarks.faults.ledger import CALLING, Ledger
from tests.e2e import small_shop


def main(address: str, prefix: str) -> None:
    """Call until the input ends, and print what was seen."""
    rng = small_shop.seeded()
    products = [each.product_id for each in small_shop.products(rng)]
    customers = [each.customer_id for each in small_shop.customers(rng)]
    ledger = Ledger()
    callers = Callers(address, Material(prefix, customers, products), ledger)
    callers.start()
    while not ledger.begun:
        time.sleep(PAUSE_SECONDS)
    print(CALLING, flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word == "ask":
            callers.recording.clear()
        elif word == "record":
            callers.recording.set()
        else:
            ledger.phase = word
    callers.stop()
    print(json.dumps(ledger.as_json()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
