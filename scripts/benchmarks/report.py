"""The results as Markdown, for `docs/benchmarks.md` and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks import tables, verdicts
from benchmarks.activation import APART
from benchmarks.activation import CONNECTIONS as ACTIVATION_CONNECTIONS
from benchmarks.bodies import CONNECTIONS as BODIES_CONNECTIONS
from benchmarks.bodies import TOGETHER
from benchmarks.cost import Prices
from benchmarks.figures import Results, Run
from benchmarks.load import HOST
from benchmarks.measure import CONNECTIONS
from benchmarks.model import RECIPES
from benchmarks.plan import FULL
from benchmarks.servers import LIMIT, NAIVE
from benchmarks.verdicts import Verdict

NOTHING = "Nothing to compare: a server they are measured by has no figures."


def document(run: Run, machine: Mapping[str, str], seconds: float, rounds: int, prices: Prices, chart: str = "") -> str:
    """`chart` is the address of the picture as seen from the page."""
    parts = [
        "# Benchmarks",
        "`scripts/bench` makes this page. For each model all servers load the same MLflow directory and were measured "
        "in one run on one machine, the server on one processor and the load on another, over "
        f"{HOST}. Figures are medians of {rounds} rounds with {seconds:g} s per figure; in each round every server is "
        "started anew, and its answers are checked against `mlflow.pyfunc`.",
        "Absolute figures hold for this machine and this run only: **compare ratios, and only those of one run.**",
        machine_line(machine),
        f"The load itself drives {run.load_limit:,.0f} requests/s here with 16 connections against a server that costs "
        "next to nothing; no figure below can be higher.",
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
    """A title comes only with what it is the title of."""
    yield f"## {results.model}: {RECIPES[results.model].title}"
    yield tables.figures_table(results)
    ratios = f"Each cell: times {results.title(LIMIT)} / times {results.title(NAIVE)}."
    yield from titled("Ratios", ratios, tables.ratio_table(results))
    apart = f"{ACTIVATION_CONNECTIONS} connections; the alias moves every {APART:g} s."
    yield from titled("Activation under load", apart, tables.activation_table(results))
    yield from titled("The largest bodies", BODIES, tables.bodies_table(results))
    yield from titled("Wire forms", FORMS, tables.forms_table(results.forms))
    yield from titled("Events", EVENTS, tables.events_table(results))
    yield from titled("A million predictions on Cloud Run", COST, tables.cost_table(results, prices))
    yield from titled("Not measured", "", missing(results))
    yield "" if results.model == FULL else f"The targets are set for {FULL}; here they show how far another model is."
    yield from ("### Targets of the native runtime", lines(verdicts.native(results)))
    yield from ("### Targets of the compiled runtime", lines(verdicts.compiled(results)))


EVENTS = (
    "Messages pushed to `predict_event` or pulled by the worker, of one record unless it says otherwise: from the first "
    "that `google-cloud-pubsub` publishes to the last prediction on the predictions topic, each compared with "
    "`mlflow.pyfunc`. In order is `ORDERED_PREDICTIONS=true`. The Pub/Sub server, this repository's own, shares the "
    "load's processor with the client; where the processor of what scores is not fully in use, they are the limit. Above "
    "them the limit of a worker: the same clients pull, publish one message for each and ack, and score nothing; in order "
    "each needs a request of its own, otherwise all that came together share one."
)
BODIES = (
    f"One-row requests over {BODIES_CONNECTIONS} connections while another sends one body after the other that is as large as the default "
    f"settings take; then {TOGETHER} of the JSON ones at once, and the most memory (PSS) that the server and its decoder have "
    "meanwhile. The server has one processor. A native model scores a large body MAX_BATCH_ROWS rows at a time."
)
FORMS = (
    "The compiled runtime and hello world, which reads the same body, both on one processor and driven in turns over "
    f"{CONNECTIONS} connections, after one answer was compared with `mlflow.pyfunc`. The ratio is the median over the "
    "rounds of our requests/s to those of hello world. `scripts/bench --forms` measures this table alone, "
    "`--forms dataframe_split,csv` some of its forms."
)
COST = "In US dollars, while requests keep one vCPU busy at the rate above; how and from which prices: last section."


def titled(title: str, words: str, content: str) -> Iterator[str]:
    if content:
        yield from (f"### {title}", words, content)


def missing(results: Results) -> str:
    found = [*results.missing.items(), *results.unfinished.items()]
    return "\n".join(f"- {results.title(name)}: {' '.join(reason.split())[:500]}" for name, reason in found)


def lines(found: Sequence[Verdict]) -> str:
    return "\n".join(map(verdict_line, found)) or NOTHING


def verdict_line(verdict: Verdict) -> str:
    word = "met" if verdict.met else "MISSED"
    return f"- {word}: {verdict.target}: {figure(verdict.value)} against {figure(verdict.bound)}"


def figure(value: float) -> str:
    """Four digits, or all that stand before the point."""
    return f"{value:,.0f}" if value >= 999.95 else f"{value:.4g}"


def price_part(prices: Prices) -> Iterator[str]:
    least = min(prices.sizes)
    yield "## How the cost is computed"
    yield (
        f"Request-based billing in {prices.region}, from [the published prices]({prices.page}) as recorded on "
        f"{prices.recorded}: ${prices.vcpu_second:.7f} per vCPU-second, ${prices.gib_second:.7f} per GiB-second, "
        f"${prices.million_requests:.2f} per million requests. **Prices change:** compare "
        "`scripts/benchmarks/prices.toml` with that page first. Not counted: the free tier, network, and starts."
    )
    yield (
        "A million predictions at the measured requests/s take one vCPU so many seconds, and for as long the measured "
        "memory, rounded up to the next size that functions are given (below 512 MiB it takes the first generation "
        "execution environment). A processor of Cloud Run is not this machine's: compare the servers, not the dollars."
    )
    yield (
        f"Time is billed by {prices.granularity * 1e3:g} ms. A million requests that never overlap therefore cost "
        f"${prices.alone(least):.2f} or more on any of these servers (with {least} MiB): what a fast server saves, it "
        "saves under load, and in memory."
    )
