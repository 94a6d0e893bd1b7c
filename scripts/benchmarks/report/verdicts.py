"""The targets, and whether the figures of one run meet them."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measure.bodies import CONCURRENT_BODIES, MAX_MEMORY_MIB, MAX_P99_MS
from benchmarks.report.figures import Figures, Results
from benchmarks.servers.table import COMPILED, LIMIT, NAIVE, NATIVE


@dataclass(frozen=True)
class Verdict:
    """One target: `value` against `bound`, in the same unit."""

    target: str
    value: float
    bound: float
    at_least: bool = False
    """Whether `bound` is the least accepted value; otherwise it is the greatest."""

    @property
    def is_met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def native_verdicts(results: Results) -> list[Verdict]:
    """Some targets apply only if batching peers were measured."""
    figures = results.figures()
    if NATIVE not in figures or NAIVE not in figures:
        return []
    own, naive = figures[NATIVE], figures[NAIVE]
    found = [
        Verdict("start, seconds, at most the naive function's", own["start"], naive["start"]),
        Verdict("p50, ms, at most 1.05 x the naive function's", own["p50"], 1.05 * naive["p50"]),
        Verdict("memory, MiB, at most the naive function's", own["memory"], naive["memory"]),
    ]
    if peers := best_peers(results, batching=True):
        found += [
            Verdict("requests/s, at least the best batching peer's", own["rate"], peers["rate"], at_least=True),
            Verdict("100-row requests/s, at least the best batching peer's", own["bulk"], peers["bulk"], at_least=True),
        ]
    return found + activation_verdicts(results.activations.get(NATIVE)) + body_verdicts(results.bodies.get(NATIVE))


def compiled_verdicts(results: Results) -> list[Verdict]:
    """Compared with hello world, and with the best peer if peers were measured."""
    figures = results.figures()
    if COMPILED not in figures or LIMIT not in figures:
        return []
    own, hello = figures[COMPILED], figures[LIMIT]
    found = [
        Verdict("start, seconds, at most 2 x hello world's", own["start"], 2 * hello["start"]),
        Verdict("p50, ms, at most 2 x hello world's", own["p50"], 2 * hello["p50"]),
        Verdict("requests/s, at least 0.5 x hello world's", own["rate"], 0.5 * hello["rate"], at_least=True),
        Verdict("100-row requests/s, at least 0.4 x hello world's", own["bulk"], 0.4 * hello["bulk"], at_least=True),
        Verdict("memory, MiB, at most 2 x hello world's", own["memory"], 2 * hello["memory"]),
    ]
    if peers := best_peers(results):
        found.append(
            Verdict("requests/s, at least 10 x the best peer's", own["rate"], 10 * peers["rate"], at_least=True)
        )
    return found + activation_verdicts(results.activations.get(COMPILED)) + body_verdicts(results.bodies.get(COMPILED))


def best_peers(results: Results, batching: bool = False) -> Figures:
    """The greatest `rate` and `bulk` of all measured peers; empty without peers."""
    figures = results.figures()
    peers = [server for server in results.servers if server.peer and (server.batching or not batching)]
    found = [figures[server.name] for server in peers if server.name in figures]
    return {key: max(peer[key] for peer in found) for key in ("rate", "bulk")} if found else {}


def activation_verdicts(figures: Figures | None) -> list[Verdict]:
    if figures is None:
        return []
    return [
        Verdict("failed requests while versions are activated, none", figures["failed"], 0),
        Verdict("p99 while versions are activated, ms, at most 2 x steady", figures["activation_p99"], 2 * figures["steady_p99"]),
    ]  # fmt: skip


def body_verdicts(figures: Figures | None) -> list[Verdict]:
    if figures is None:
        return []
    return [
        Verdict("p99 of one-row requests with one largest JSON body, ms, at most 50", figures["json_p99"], MAX_P99_MS),
        Verdict("p99 of one-row requests with one largest Parquet body, ms, at most 50", figures["parquet_p99"], MAX_P99_MS),
        Verdict(f"memory with {CONCURRENT_BODIES} largest bodies at once, MiB, below an instance's 1 GiB", figures["peak"], MAX_MEMORY_MIB),
        Verdict(f"of {CONCURRENT_BODIES} largest bodies neither answered nor refused at once, none", figures["late"], 0),
    ]  # fmt: skip
