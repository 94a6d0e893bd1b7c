"""The results of `drift` and `evaluate` as sections of tables and charts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from modelserve_control.report.sections import Bars, Chart, Histogram, Pairs, Points, Section
from modelserve_control.report.tables import Column, build_table, field, percent

Result = Mapping[str, Any]
PARTS: Final = ("columns", "predictions")
MAX_CHARTS: Final = 12  # of a window: what drifted, and then what moved most
TESTS: Final = ("ks", "chi2", "psi", "missing", "infinite", "new")


# --- drift ---


def drift_title(result: Result) -> str:
    return f"Drift from {result['name']} version {result['version']}"


def drift_sections(result: Result) -> Iterator[Section]:
    is_logged = any(one["unknown_categories"] is not None for one in result["windows"])
    counts = [(one["window"], float(len(one["drifted"]))) for one in result["windows"]]
    yield Section(
        "Verdict",
        [
            f"A column drifts when its corrected p-value is at most {result['alpha']:g} and its effect at least its limit.",
        ],
        [build_table([*WINDOWS, *(LOGGED if is_logged else ())], result["windows"])],
        [Bars("Columns that drifted", counts)] if len(counts) > 1 else [],
    )
    for window in result["windows"]:
        found = [{"column": name, "part": part, **one} for part in PARTS for name, one in window[part].items()]
        yield Section(f"Window {window['window']}", tables=[build_table(COLUMNS, found)], charts=list(shares(found)))


def shares(found: Sequence[Result]) -> Iterator[Chart]:
    order = sorted(found, key=lambda one: (not one["drift"], -largest_effect(one)))
    for one in order[:MAX_CHARTS]:
        before, after = (sum(counts[side] for counts in one["bins"]) for side in (1, 2))
        if before and after:
            yield Pairs(
                one["column"], ("profile", "now"), [(name, a / before, b / after) for name, a, b in one["bins"]]
            )


def largest_effect(one: Result) -> float:
    return max((test["effect"] for test in one["tests"].values()), default=0.0)


def effect(name: str) -> Column:
    return Column(name, lambda one: one["tests"].get(name, {}).get("effect"))


WINDOWS: Final = [
    field("window"),
    field("rows"),
    Column("drift", lambda one: "yes" if one["drift"] else "no"),
    Column("columns", lambda one: ", ".join(one["drifted"]) or "-"),
]
LOGGED: Final = [Column("rows with an unknown category", lambda one: percent(one["unknown_categories"]))]
COLUMNS: Final = [
    field("column"),
    Column("of", lambda one: {"columns": "input", "predictions": "prediction"}[one["part"]]),
    Column("drift", lambda one: ", ".join(one["reasons"]) or "-"),
    *map(effect, TESTS),
    field("PSI limit", "psi_limit"),
    Column("Wasserstein", lambda one: one.get("wasserstein")),
    Column("least corrected p", lambda one: min((test["adjusted"] for test in one["tests"].values()), default=None)),
    Column(
        "new categories",
        lambda one: ", ".join(f"{name} {percent(share)}" for name, share in one.get("new", {}).items()),
    ),
]


# --- quality ---


def quality_title(result: Result) -> str:
    return f"Quality of {result['name']}"


def quality_sections(result: Result) -> Iterator[Section]:
    rows = [{"window": "all", "version": "all"} | result["all"], *result["parts"]]
    names = list(result["all"]["figures"])
    columns = [field("window"), field("version"), field("rows"), field("left out", "left_out"), *map(figure, names)]
    yield Section("Join", tables=[build_table([field(name) for name in COUNTS], [result])])
    charts: list[Chart] = [Points(name, list(points(result["parts"], name))) for name in names]
    if bins := result["all"].get("calibration"):
        values = [(f"predicted {one['predicted']:.2f}", one["predicted"], one["actual"]) for one in bins]
        charts.append(Pairs("Calibration", ("predicted", "actual"), values))
    if bars := result["all"].get("histogram"):
        charts.append(Histogram("Errors", bars))
    yield Section("Figures", tables=[build_table(columns, rows)], charts=charts)


COUNTS: Final = ("predictions", "labels", "joined", "unlabelled", "repeated", "unknown")


def figure(name: str) -> Column:
    return Column(name, lambda row: row["figures"].get(name))


def points(parts: Sequence[Result], name: str) -> Iterator[tuple[str, float, float, float]]:
    for part in parts:
        value, interval = part["figures"].get(name), part["intervals"].get(name)
        if value is not None and interval is not None:
            yield (f"{part['window']} version {part['version']}", value, *interval)
