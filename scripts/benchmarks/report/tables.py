"""Tables of one model's results as Markdown; empty without results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.measure.batch import PARTS, TWO, BatchFigures
from benchmarks.measure.bodies import CONCURRENT_BODIES
from benchmarks.measure.forms import FormFigures, Turn
from benchmarks.measure.round import BULK_ROWS
from benchmarks.report.cost import Prices
from benchmarks.report.figures import Figures, Results
from benchmarks.servers.storage import COMPILED_RUNTIME
from benchmarks.servers.table import LIMIT, NAIVE, Server

HEADINGS = {
    "start": "start to first correct answer",
    "p50": "p50, 1 connection",
    "p99": "p99, 1 connection",
    "rate": "requests/s, 16 connections",
    "bulk": "100-row requests/s, 16 connections",
    "memory": "memory (PSS) after 1,000 requests",
}
FORMATS = {
    "start": "{:.2f} s",
    "p50": "{:.2f} ms",
    "p99": "{:.2f} ms",
    "rate": "{:,.0f}",
    "bulk": "{:,.0f}",
    "memory": "{:.0f} MiB",
}
MIN_GAIN, MAX_GROWTH = 1.7, 1.2  # of two processes, and of the memory of a hundred times the rows
RATIO_FIGURES = ("start", "p50", "rate", "bulk", "memory")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def scale_table(processes: BatchFigures, memory: Mapping[int, float]) -> str:
    one, two = processes.rate(COMPILED_RUNTIME), processes.rate(TWO)
    gain = f"{two / one:.2f} (at least {MIN_GAIN:g}: {'met' if two >= MIN_GAIN * one else 'not met'})"
    rows = [[f"{processes.model}, {PARTS} files", f"{one:,.0f}", f"{two:,.0f}", gain]]
    (few, least), *others = memory.items()
    sizes = [[f"{few:,}", f"{least:.0f} MiB", "1"]]
    for count, size in others:
        met = "met" if size <= MAX_GROWTH * least else "not met"
        sizes.append([f"{count:,}", f"{size:.0f} MiB", f"{size / least:.2f} (at most {MAX_GROWTH:g}: {met})"])
    heads = (
        ["batch", "rows/s, one process", "two processes", "ratio"],
        ["rows of one file", "memory (USS) at most", "ratio"],
    )
    return "\n\n".join([markdown(heads[0], rows), markdown(heads[1], sizes)])


def server_figures(results: Results) -> Iterator[tuple[Server, Figures]]:
    """In the order of the servers."""
    figures = results.figures()
    return ((server, figures[server.name]) for server in results.servers if server.name in figures)


def full_title(server: Server) -> str:
    return f"{server.title} ({server.version})" if server.version else server.title


def figures_table(results: Results) -> str:
    rows = [
        [full_title(server), *(FORMATS[key].format(one[key]) for key in HEADINGS)]
        for server, one in server_figures(results)
    ]
    return markdown(["server", *HEADINGS.values()], rows)


def ratio_table(results: Results) -> str:
    bases = [results.figures().get(LIMIT), results.figures().get(NAIVE)]
    rows = [
        [full_title(server), *(" / ".join(ratio(one, base, key) for base in bases) for key in RATIO_FIGURES)]
        for server, one in server_figures(results)
    ]
    return markdown(["server", *(HEADINGS[key] for key in RATIO_FIGURES)], rows)


def ratio(figures: Figures, base: Figures | None, key: str) -> str:
    return f"{figures[key] / base[key]:.3g}" if base else "-"


def cost_table(results: Results, prices: Prices) -> str:
    """Without the servers that give a constant answer."""
    rows = [cost_row(server, one, prices) for server, one in server_figures(results) if server.protocol.read]
    return markdown(["server", "memory", "one row a request", f"{BULK_ROWS} rows a request"], rows)


def cost_row(server: Server, figures: Figures, prices: Prices) -> list[str]:
    memory = figures["memory"]
    if memory > max(prices.sizes):
        return [full_title(server), "more than one vCPU can have", "-", "-"]
    single, bulk = prices.busy_cost(figures["rate"], memory), prices.busy_cost(figures["bulk"], memory, BULK_ROWS)
    return [full_title(server), f"{prices.size(memory):,} MiB", f"${single:.2f}", f"${bulk:.4f}"]


def activation_table(results: Results) -> str:
    rows = [
        [results.title(name), f"{one['activations']:.0f}", f"{one['failed']:.0f}", f"{one['steady_p99']:.2f} ms", f"{one['activation_p99']:.2f} ms"]
        for name, one in results.activations.items()
    ]  # fmt: skip
    return markdown(
        ["server", "activations", "failed requests", "steady p99", "p99 while versions are activated"], rows
    )


def waking_table(found: Mapping[str, Figures]) -> str:
    rows = [
        [title, f"{one['answers']:.0f}", f"{one['old']:.0f}", f"{one['p50']:.0f} ms", f"{one['p99']:.0f} ms"]
        for title, one in found.items()
    ]
    return markdown(["woken", "answers", "by the version that was taken away", "p50 of the first answer", "p99"], rows)


def bodies_table(results: Results) -> str:
    rows = [
        [results.title(name), f"{one['json_p99']:.1f} ms", f"{one['parquet_p99']:.1f} ms", f"{one['peak']:.0f} MiB", f"{one['answered']:.0f}", f"{one['refused']:.0f}", f"{one['late']:.0f}"]
        for name, one in results.bodies.items()
    ]  # fmt: skip
    p99 = ["p99 with one largest JSON body", "p99 with one largest Parquet body"]
    return markdown(
        [
            "server",
            *p99,
            f"memory with {CONCURRENT_BODIES} largest bodies at once",
            "answered",
            "refused at once",
            "neither",
        ],
        rows,
    )


def events_table(results: Results) -> str:
    rows = [
        [title, mode, f"{one['records']:,.0f}", f"{one['rate']:,.0f}", f"{one['processor']:.3f} ms", f"{one['processor'] * one['rate'] / 10:.0f}%"]
        for title, modes in results.events.items()
        for mode, one in modes.items()
    ]  # fmt: skip
    heads = ["runtime", "events", "records", "records/s", "processor time per record", "use of its processor"]
    return markdown(heads, rows)


def forms_table(found: Sequence[FormFigures]) -> str:
    rows = [
        [one.form, str(one.rows), f"{one.ratio:.2f} ({min(one.ratios):.2f} to {max(one.ratios):.2f})", target(one),
         f"{one.processor_ratio:.2f}", median_rate(one.ours), median_rate(one.reading), median_rate(one.hello),
         f"{one.ratio_to_hello:.2f}"]
        for one in found
    ]  # fmt: skip
    heads = [
        "form",
        "rows",
        "ratio (least to greatest)",
        "target",
        "ratio by processor time",
        "modelserve, requests/s",
        "hello world that reads it",
        "hello world",
        "ratio to hello world",
    ]
    return markdown(heads, rows)


def median_rate(turns: Sequence[Turn]) -> str:
    return f"{median(turn.rate for turn in turns):,.0f}"


def target(figures: FormFigures) -> str:
    if figures.target is None:
        return "-"
    return f"{'met' if figures.is_met else 'MISSED'}: at least {figures.target:g}"
