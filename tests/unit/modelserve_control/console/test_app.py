"""The application of the console, asked as a browser asks it: what it refuses, and how often it reads the store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from modelserve.core.errors import BadSetting, ServeError
from modelserve.store.buckets.objects import ObjectInfo, Objects
from modelserve_control.console import commands
from modelserve_control.console.app import TABS, build_app, build_page, build_tab
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, refusal, table, while_running
from modelserve_control.console.reading import read_once
from modelserve_control.console.server import check_origin, guard
from modelserve_control.console.tabs.models import move_alias
from modelserve_control.registry import promote
from modelserve_control.registry.catalog import open_store
from stores import put, tiny

HERE = "http://127.0.0.1:8050"
MOVE = {"action": "promote", "alias": "champion", "name": "rides", "version": "1"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of rides, of which the second is the champion."""
    room = tmp_path_factory.mktemp("console")
    with open_store(str(room / "store"), new=True) as objects:
        for name in ("one", "two"):
            promote.promote(objects, "rides", put(objects, "rides", tiny(room / name)), "champion", "")
    return room / "store"


@pytest.fixture
def options(store: Path) -> ConsoleOptions:
    return ConsoleOptions(str(store), (HERE,))


def snapshot(store: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def ask(options: ConsoleOptions, origins: tuple[str, ...] = (HERE,), **headers: str) -> int:
    """The status of a request of the page for its first tab."""
    app = build_app(options)
    guard(app, tuple(map(check_origin, origins)))
    body = {
        "output": "..head.children...tab.children..",
        "outputs": [{"id": "head", "property": "children"}, {"id": "tab", "property": "children"}],
        "inputs": [
            {"id": "address", "property": "pathname", "value": "/models"},
            {"id": "address", "property": "search", "value": ""},
        ],
        "changedPropIds": ["address.pathname"],
    }
    client = app.server.test_client()
    return int(client.post("/_dash-update-component", json=body, headers=headers).status_code)


@pytest.mark.parametrize(
    ("named", "origin", "host", "status"),
    [
        ("https://a.example", "https://a.example", "a.example", 200),
        ("https://A.example:443", "https://a.example", "a.example", 200),
        ("https://a.example", "https://a.example", "A.Example:443", 200),
        ("http://a.example:80", "http://a.example", "a.example", 200),
        ("http://[::1]:8050", "http://[::1]:8050", "[::1]:8050", 200),
        ("https://a.example", "http://a.example", "a.example", 403),
        ("https://a.example", "https://a.example:8443", "a.example", 403),
        ("https://a.example", "null", "a.example", 403),
        ("https://a.example", "https://a.example", "a.example:8443", 421),
        ("https://a.example", "https://a.example", "b.example", 421),
    ],
)
def test_addresses_are_compared_without_case_and_default_port(
    options: ConsoleOptions, named: str, origin: str, host: str, status: int
) -> None:
    assert ask(options, (named,), origin=origin, host=host) == status


@pytest.mark.parametrize("text", ["a.example", "https://a.example/b", "https://a@b.example", "ftp://a.example", ""])
def test_what_is_no_origin_is_named(text: str) -> None:
    with pytest.raises(BadSetting, match="is not the origin of an address"):
        check_origin(text)


def test_nothing_in_the_store_changes_when_every_tab_is_read(options: ConsoleOptions, store: Path) -> None:
    before = snapshot(store)
    for tab in TABS:
        build_page(options, tab, {"model": "rides"})
    assert snapshot(store) == before


def chosen_values(found: Any) -> list[str]:
    """Of all choices of a tab, what is chosen, or else the first, as a browser has it."""
    selects = [one for one in found._traverse() if type(one).__name__ == "Select"]
    return [
        next((one.value for one in select.children if one.selected), select.children[0].value) for select in selects
    ]


def test_the_truth_that_was_given_is_what_versions_are_compared_with(options: ConsoleOptions) -> None:
    given = replace(options, data=("a.csv",), target="minutes")
    _, (form, *_) = build_page(given, "compare", {"model": "rides"})
    assert chosen_values(form) == ["champion", "2", "a.csv", "minutes"]


def test_only_the_log_has_windows(options: ConsoleOptions) -> None:
    for log, windows in (((), []), (("log",), ["day"])):
        _, (form, *_) = build_page(replace(options, data=("a.csv",), log=log), "drift", {"model": "rides"})
        assert [one for one in chosen_values(form) if one == "day"] == windows


def ask_to_move(options: ConsoleOptions) -> int:
    app = build_app(options)
    names = (("moved", "children"), ("life", "children"), ("reason", "value"))
    body = {
        "output": f"..{'...'.join(f'{name}.{what}' for name, what in names)}..",
        "outputs": [{"id": name, "property": what} for name, what in names],
        "inputs": [[{"id": MOVE, "property": "n_clicks", "value": 1}]],
        "changedPropIds": [f"{json.dumps(MOVE, separators=(',', ':'), sort_keys=True)}.n_clicks"],
        "state": [{"id": "reason", "property": "value", "value": "of a request"}],
    }
    app.server.config["PROPAGATE_EXCEPTIONS"] = False
    return int(app.server.test_client().post("/_dash-update-component", json=body).status_code)


def test_a_request_to_move_changes_nothing_where_it_is_read_only(options: ConsoleOptions, store: Path) -> None:
    before = snapshot(store)
    assert ask_to_move(options) == 500
    assert snapshot(store) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("action", "delete"), ("name", "../x"), ("name", "a/b"), ("alias", "../champion"), ("version", "../1")],
)
def test_a_move_that_no_button_has_is_refused(options: ConsoleOptions, store: Path, key: str, value: str) -> None:
    before = snapshot(store)
    said, life, _ = move_alias(options, MOVE | {key: value}, "of a request")
    assert said.role == "alert"
    assert not isinstance(life, list)
    assert snapshot(store) == before


def test_a_release_that_the_page_does_not_offer_is_refused(options: ConsoleOptions) -> None:
    said, *_ = move_alias(options, MOVE | {"action": "release"}, "of a request")
    assert said.role == "alert"
    assert "no action release" in str(said)


def test_a_request_is_read_up_to_a_limit(options: ConsoleOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelserve_control.console.server.MAX_BODY", 100)
    assert ask(options, ("https://a.example",), origin="https://a.example", host="a.example") == 413


@pytest.mark.parametrize("values", [{"model": "../x"}, {"model": "rides", "version": "../1"}, {"alias": "a/b"}])
def test_names_of_an_address_are_checked(options: ConsoleOptions, values: dict[str, str]) -> None:
    _, content = build_page(options, "models", values)
    assert content.role == "alert"


class Counted:
    """The objects of a store, with how often each was read."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.reads: Counter[str] = Counter()

    def list(self, prefix: str) -> Any:
        self.reads[f"list {prefix}"] += 1
        return self.objects.list(prefix)

    def read(self, name: str, limit: int, if_generation_not_match: int | None = None) -> Any:
        self.reads[f"read {name}"] += 1
        return self.objects.read(name, limit, if_generation_not_match)

    def stat(self, name: str) -> ObjectInfo | None:
        return self.objects.stat(name)


@pytest.mark.parametrize("tab", ["models", "version"])
def test_a_request_reads_nothing_of_the_store_twice(options: ConsoleOptions, tab: str) -> None:
    with open_store(options.store) as objects:
        counted = Counted(objects)
        reading = read_once(cast(Objects, counted))
        reading.list("models/")  # as for the names of the models
        list(build_tab(options, reading, Chosen(tab, "rides")))
    assert counted.reads["read models/rides/aliases/champion.json"] == 1
    assert {what: count for what, count in counted.reads.items() if count > 1} == {}
    assert [what for what in counted.reads if what.startswith("list models/")] == ["list models/"]


@pytest.fixture
def all_reports() -> Iterator[None]:
    """As many reports as may be made at once."""
    for _ in range(commands.MAX_REPORTS):
        assert commands.reports.acquire(blocking=False)
    yield
    for _ in range(commands.MAX_REPORTS):
        commands.reports.release()


def test_more_reports_than_that_are_refused(options: ConsoleOptions, all_reports: None) -> None:
    with pytest.raises(ServeError, match="4 reports are being made"):
        commands.make_report(options, "compare", "rides", "1", "2")


def test_a_button_says_that_it_runs_and_cannot_be_pressed_again(store: Path) -> None:
    callbacks = build_app(ConsoleOptions(str(store), (HERE,), write=True))._callback_list
    running = {str(output): values for output, *values in while_running("moves")}
    assert running == {"moves.disabled": [True, False], "running.children": ["Running.", ""]}
    for name in ("moved.children", "answer.children"):
        (found,) = [one for one in callbacks if name in one["output"]]
        assert "running.children" in found["running"]["running"]
        assert [key for key, value in found["running"]["running"].items() if value is True]


def test_a_head_that_is_a_time_keeps_its_letters() -> None:
    found = json.dumps(table(("column", "2026-03-01T23 (5 rows)"), [], "Drift").to_plotly_json(), default=vars)
    assert '"Column"' in found
    assert "2026-03-01T23 (5 rows)" in found


@pytest.mark.parametrize(
    ("tab", "chosen"), [("drift", {"against": "champion"}), ("compare", {"a": "champion", "b": "3"})]
)
def test_a_tab_begins_with_the_champion_and_the_newest_version(
    tab: str, chosen: dict[str, str], tmp_path: Path
) -> None:
    with open_store(str(tmp_path / "store"), new=True) as objects:
        for alias in ("challenger", "champion", "later"):
            version = put(objects, "rides", tiny(tmp_path / alias))
            if alias != "later":
                promote.promote(objects, "rides", version, alias, "")
        options = ConsoleOptions(str(tmp_path / "store"), (HERE,), data=("rows.csv",))
        (shown,) = TABS[tab][1](options, objects, Chosen(tab, "rides"))
    selects = [one for one in shown._traverse() if type(one).__name__ == "Select"]
    found = {one.name: option.value for one in selects for option in one.children if getattr(option, "selected", False)}
    assert {name: found[name] for name in chosen} == chosen


def test_a_refusal_says_what_to_do_as_the_command_does() -> None:
    cells = [{"row": row, "column": "zone", "reason": "an integer, needs string"} for row in (0, 1)]
    _, listed, told = refusal("2 cells do not fit.", cells).children
    assert [line.children for line in listed.children] == ["zone: an integer, needs string (in 2 rows: 0, 1)"]
    assert told.children.startswith("The model takes texts for zone: make them texts before")
    assert [part.children for part in refusal("No.").children] == ["No."]
