"""Run the package by hand: `python main.py`."""

import json
import logging

from invoices.totals import run

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    print(json.dumps(run(bad_rows="skip"), indent=2))
