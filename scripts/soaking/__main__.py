"""`scripts/soak MINUTES`. Exits with 1 if an answer is wrong, a request fails or a process grows."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from modelserve.core.errors import ServeError
from soaking.load import Load, Observations
from soaking.report import Report
from soaking.site import Site, run_site
from soaking.watch import Watch

SAMPLE_SECONDS: Final = 1.0  # between two samples of the processes


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("minutes", type=float, help="duration of the load; the servers take about a minute to start")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes <= 24 * 60:
        parser.error("MINUTES must be more than 0 and at most 1440")
    warnings.filterwarnings("ignore", "The return_immediately flag", DeprecationWarning)
    try:
        with TemporaryDirectory() as directory, run_site(Path(directory)) as site:
            report = soak(site, options.minutes * 60)
    except ServeError as error:
        print(f"soak: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("soak: stopped before the load started", file=sys.stderr)
        return 130
    print(report.text())
    return 1 if report.findings() else 0


def soak(site: Site, seconds: float) -> Report:
    """Ctrl-C ends the load early; the report covers the time until then."""
    seen = Observations()
    load = Load(site, seen)
    watch = Watch(site.roots)
    began = time.monotonic()
    print(f"soak: {seconds / 60:g} minutes of load", file=sys.stderr)
    threads = load.start()
    try:
        while time.monotonic() - began < seconds:
            watch.look()
            time.sleep(SAMPLE_SECONDS)
    except KeyboardInterrupt:
        print("soak: stopped", file=sys.stderr)
    load.over.set()
    for thread in threads:
        thread.join(2 * 60)
    return Report(seen, watch, site.faults, time.monotonic() - began)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
