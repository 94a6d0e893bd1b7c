"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.load.closed_loop import HOST
from benchmarks.measure.activation import CONNECTIONS as ACTIVATION_CONNECTIONS
from benchmarks.measure.activation import FLIP_INTERVAL
from benchmarks.measure.bodies import CONCURRENT_BODIES
from benchmarks.measure.bodies import CONNECTIONS as BODIES_CONNECTIONS
from benchmarks.measure.round import CONNECTIONS
from benchmarks.measure.waking import INSTANCES
from benchmarks.measure.waking import SECONDS as SLEEP
from benchmarks.model import RECIPES
from benchmarks.plan import FULL_MODEL
from benchmarks.report import tables, verdicts
from benchmarks.report.cost import Prices
from benchmarks.report.figures import Results, Run
from benchmarks.report.verdicts import Verdict
from benchmarks.servers.table import LIMIT, NAIVE

NOTHING = "Nothing to compare: a server that the targets refer to has no figures."


def document(run: Run, machine: Mapping[str, str], seconds: float, rounds: int, prices: Prices, chart: str = "") -> str:
    """`chart` is the path of the picture relative to the page."""
    parts = [
        "# Benchmarks",
        "`scripts/bench` writes this page. For each model, all servers load the same MLflow directory and are measured "
        "in one run on one machine. The server has one processor and the load has another one; they are connected over "
        f"{HOST}. Figures are medians of {rounds} rounds with {seconds:g} s per figure. Each round starts every server "
        "again and compares its answers with `mlflow.pyfunc`.",
        "Absolute figures are valid for this machine and this run only: **compare ratios, and only within one run.**",
        machine_line(machine),
        f"The load generator reaches {run.load_limit:,.0f} requests/s with 16 connections against a server that writes "
        "a constant. No figure below can be higher.",
        f"![Requests per second of every server]({chart})" if chart else "",
    ]
    for results in run.models:
        parts += model_part(results, prices)
    parts += price_part(prices) if any(results.figures() for results in run.models) else []
    return "\n\n".join(part for part in parts if part) + "\n"


def machine_line(machine: Mapping[str, str]) -> str:
    return (
        "; ".join(f"{key}: {value}" if key != "measured" else f"measured {value}" for key, value in machine.items())
        + "."
    )


def model_part(results: Results, prices: Prices) -> Iterator[str]:
    yield f"## {results.model}: {RECIPES[results.model].title}"
    yield tables.figures_table(results)
    is_first = results.model == FULL_MODEL  # the other models have the same tables, which need no explanation again
    ratios = f"Each cell: times {results.title(LIMIT)} / times {results.title(NAIVE)}."
    yield from section("Ratios", ratios if is_first else "", tables.ratio_table(results))
    apart = f"{ACTIVATION_CONNECTIONS} connections; the alias moves every {FLIP_INTERVAL:g} s."
    yield from section("Activation under load", apart, tables.activation_table(results))
    yield from section("Instances that slept", WAKING, tables.waking_table(results.waking))
    yield from section("The largest bodies", BODIES, tables.bodies_table(results))
    yield from section("Wire forms", FORMS, tables.forms_table(results.forms))
    yield from section("Events", EVENTS, tables.events_table(results))
    cost = tables.cost_table(results, prices)
    yield from section("A million predictions on Cloud Run", COST if is_first else "", cost)
    yield from section("Not measured", "", missing_lines(results))
    yield "" if is_first else f"The targets apply to {FULL_MODEL}; this model is compared for information."
    yield from ("### Targets of the native runtime", verdict_table(verdicts.native_verdicts(results)))
    yield from ("### Targets of the compiled runtime", verdict_table(verdicts.compiled_verdicts(results)))


EVENTS = (
    "Messages that are pushed to `predict_event` or pulled by the worker, with one record each unless stated otherwise. "
    "The time runs from the first message that `google-cloud-pubsub` publishes to the last prediction on the predictions "
    "topic; each prediction is compared with `mlflow.pyfunc`. In order means `ORDERED_PREDICTIONS=true`. The Pub/Sub "
    "emulator of this repository shares the load's processor with the client. Where the scoring process does not use its "
    "processor fully, these two are the limit. The first rows show the limit of a worker: the same clients pull each "
    "message, publish one message for it and ack it, but score nothing. In order, each message needs its own publish "
    "request; otherwise all messages that arrive together share one."
)
WAKING = (
    f"{INSTANCES} functions of the compiled runtime with the default settings, stopped by SIGSTOP for {SLEEP:g} s, which is "
    "longer than MODEL_MAX_STALE_SECONDS, and woken by one request each, all on one processor. Where the alias has moved, "
    "the first request waits until the version that it names is loaded. `scripts/bench --waking` prints only this table."
)
BODIES = (
    f"One-row requests over {BODIES_CONNECTIONS} connections while another client sends one body after another, each as "
    f"large as the default settings allow. Then {CONCURRENT_BODIES} such JSON bodies at once, and the peak memory (PSS) "
    "of the server and its decoder. The server has one processor. A native model scores a large body MAX_BATCH_ROWS rows "
    "at a time."
)
FORMS = (
    "Requests/s of the compiled runtime divided by those of a hello world that reads the same body with the usual library "
    "(json, csv, pyarrow), as a function that uses it must. Another hello world only takes the bytes. All run on the same "
    f"processor and receive load in turns over {CONNECTIONS} connections. One answer of each form is compared with "
    "`mlflow.pyfunc` before the load and the last answers after it. Ratios are medians over all rounds. The ratio by processor "
    "time depends less on other work of the machine. "
    "`scripts/bench --forms` prints only this table, and `--forms dataframe_split,csv` only these forms."
)
COST = "In US dollars, if requests keep one vCPU busy at the rate above. The last section explains the calculation."


def section(title: str, words: str, content: str) -> Iterator[str]:
    """Nothing without content."""
    if content:
        yield from (f"### {title}", words, content)


def missing_lines(results: Results) -> str:
    found = [*results.missing.items(), *results.unfinished.items()]
    return "\n".join(f"- {results.title(name)}: {' '.join(reason.split())[:500]}" for name, reason in found)


def verdict_table(found: Sequence[Verdict]) -> str:
    return tables.markdown(["target", "", "measured", "bound"], [*map(verdict_row, found)]) or NOTHING


def verdict_row(verdict: Verdict) -> list[str]:
    word = "met" if verdict.is_met else "MISSED"
    return [verdict.target, word, format_figure(verdict.value), format_figure(verdict.bound)]


def format_figure(value: float) -> str:
    """Four significant digits; large values without decimals."""
    return f"{value:,.0f}" if value >= 999.95 else f"{value:.4g}"


def price_part(prices: Prices) -> Iterator[str]:
    least = min(prices.sizes)
    yield "## How the cost is computed"
    yield (
        f"Request-based billing in {prices.region}, from [the published prices]({prices.page}) as recorded on "
        f"{prices.recorded}: ${prices.vcpu_second:.7f} per vCPU-second, ${prices.gib_second:.7f} per GiB-second, "
        f"${prices.million_requests:.2f} per million requests. **Prices change:** compare "
        "`scripts/benchmarks/report/prices.toml` with that page first. The free tier, network and starts are not included."
    )
    yield (
        "The measured requests/s determine how many seconds of one vCPU a million predictions take. Memory is billed for "
        "the same time, rounded up to the next available size (sizes below 512 MiB need the first generation execution "
        "environment). A processor of Cloud Run differs from this machine's: compare the servers, not the dollars."
    )
    yield (
        f"Time is billed in steps of {prices.granularity * 1e3:g} ms. A million requests that never overlap therefore "
        f"cost at least ${prices.sequential_cost(least):.2f} on any of these servers (with {least} MiB). A fast server "
        "saves money under load and through less memory."
    )
