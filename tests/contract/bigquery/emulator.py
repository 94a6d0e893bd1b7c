"""`bqemulator`, a BigQuery server that others made, as it is except that it needs no download: `emulator.py REST GRPC`."""

import sys

from bqemulator.cli import main
from bqemulator.storage.engine import DuckDBEngine

if __name__ == "__main__":
    # GEOGRAPHY is made of an extension that DuckDB fetches from its own server; no test has such a column.
    DuckDBEngine._load_spatial = lambda self: None
    rest, grpc = sys.argv[1:]
    sys.argv = ["bqemulator", "start", "--rest-port", rest, "--grpc-port", grpc, "--log-level", "error"]
    main()
