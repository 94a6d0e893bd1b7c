"""Starts `bqemulator`, a third-party BigQuery server, without the extension that it downloads: `emulator.py REST GRPC`."""

import sys

from bqemulator.cli import main
from bqemulator.storage.engine import DuckDBEngine

if __name__ == "__main__":
    # GEOGRAPHY needs an extension that DuckDB downloads; no test has such a column.
    DuckDBEngine._load_spatial = lambda self: None
    rest, grpc = sys.argv[1:]
    sys.argv = ["bqemulator", "start", "--rest-port", rest, "--grpc-port", grpc, "--log-level", "error"]
    main()
