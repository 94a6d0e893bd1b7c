"""The result of a simulation as sections of a report."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelserve_control.report.sections import Lines, Section, Series
from modelserve_control.report.tables import Column, Table, build_table, field, format_value

Result = Mapping[str, Any]


def title(result: Result) -> str:
    return f"Retraining of {result['name']}, simulated"


def build_sections(result: Result) -> Iterator[Section]:
    policies: Mapping[str, Any] = result["policies"]
    rows = [{"policy": name, **one} for name, one in policies.items()]
    trained = f"the newest {result['newest']}" if result["newest"] else "all"
    yield Section(
        "Policies",
        [
            f"All begin with the model of {result['start']}. A training takes {trained} of the windows so far, and its model "
            "answers from the next window on.",
        ],
        [build_table(POLICIES, rows)],
    )
    yield Section(f"{result['figure']} by {result['window']}", tables=[by_window(policies)], charts=[chart(result)])
    reasons = [
        (name, one["after"], "; ".join(one["reasons"])) for name in policies for one in policies[name]["trainings"]
    ]
    yield Section("Trainings", tables=[Table(("policy", "after", "reasons"), reasons)])


def chart(result: Result) -> Lines:
    policies = result["policies"]
    names = [one["window"] for one in next(iter(policies.values()))["windows"]]
    series = [
        Series(
            f"{name} ({len(one['trainings'])} trainings)",
            [window["error"] for window in one["windows"]],
            [names.index(training["after"]) for training in one["trainings"]],
        )
        for name, one in policies.items()
    ]
    return Lines(f"{result['figure']} by {result['window']}", names, series, "a circle: trained after it")


def by_window(policies: Mapping[str, Any]) -> Table:
    columns = [[format_value(window["error"]) for window in one["windows"]] for one in policies.values()]
    names = [window["window"] for window in next(iter(policies.values()))["windows"]]
    return Table(("window", *policies), [(name, *cells) for name, *cells in zip(names, *columns, strict=True)])


POLICIES = [
    field("policy"),
    Column("trainings", lambda one: len(one["trainings"])),
    field("mean error", "mean"),
    field("worst error", "worst"),
]
