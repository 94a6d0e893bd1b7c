from __future__ import annotations

import re
from pathlib import Path

import pytest

from modelserve.core.errors import BadSetting, NotFound
from modelserve_control.batch.files.patterns import (
    Source,
    check_output,
    fill_month,
    find_sources,
    output_names,
    translate,
)


def names(pattern: str) -> list[str]:
    return [source.name for source in find_sources(pattern)]


def test_a_pattern_names_files_of_its_folders(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.csv", "notes.txt", "_c.parquet", ".d.jsonl", "x/e.jsonl", "x/y/f.parquet", "_x/g.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(f"{tmp_path}/*") == ["a.csv", "b.parquet"]
    assert names(f"{tmp_path}/") == names(f"{tmp_path}/**/*") == ["a.csv", "b.parquet", "x/e.jsonl", "x/y/f.parquet"]
    assert names(f"{tmp_path}/x/**/*.parquet") == ["y/f.parquet"]
    assert names(f"{tmp_path}/[a].csv") == ["a.csv"]
    with pytest.raises(NotFound, match=r"no \.parquet, \.csv, \.json or \.jsonl file"):
        find_sources(f"{tmp_path}/*.txt")


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*.parquet", "a.parquet", True),
        ("*.parquet", "x/a.parquet", False),
        ("**/*.parquet", "x/y/a.parquet", True),
        ("day-??.csv", "day-01.csv", True),
        ("a+b.csv", "aab.csv", False),
    ],
)
def test_wildcards(pattern: str, name: str, fits: bool) -> None:
    assert bool(re.fullmatch(translate(pattern), name)) == fits


def test_two_files_that_would_become_one_are_refused() -> None:
    sources = [Source(name, name, "") for name in ("a.csv", "a.parquet")]
    with pytest.raises(BadSetting, match=r"a\.csv and a\.parquet would both become a\.parquet"):
        output_names(sources)


def test_a_month_fills_the_year_and_the_month() -> None:
    assert fill_month("in/{year}-{month}/*", "2022-03") == "in/2022-03/*"
    assert re.fullmatch(r"\d{4}/\d\d", fill_month("{year}/{month}", "last"))
    for month in ("2022-3", "2022-00", "x"):
        with pytest.raises(BadSetting):
            fill_month("{year}", month)


@pytest.mark.parametrize("month", [None, "2022-03"])
@pytest.mark.parametrize("pattern", ["in/{year:04d}/*", "out/{day}/", "{row}.parquet", "{}"])
def test_what_nothing_fills_is_refused_with_what_is_known(pattern: str, month: str | None) -> None:
    with pytest.raises(BadSetting, match=r" has \{.*\}, which nothing fills; it may have \{year\}, \{month\}\."):
        fill_month(pattern, month)
    assert fill_month("id={year}_{row}", "2022-03", ["{row}"]) == "id=2022_{row}"


@pytest.mark.parametrize(
    ("pattern", "output", "fits"),
    [
        ("in/*.parquet", "in/scored/", True),
        ("in/*.parquet", "out", True),
        ("in/*.csv", "in", True),
        ("in/", "in/_scored", True),
        ("in/", "inner", True),
        ("in/", "in/scored", False),
        ("in/**/*.parquet", "./in/scored/", False),
        ("in/*.parquet", "in", False),
        ("in/a.parquet", "in/", False),
        ("in/a.csv", "in/", True),
        ("gs://b/in/**/*", "gs://b/in/scored/", False),
        ("gs://b/in/*", "gs://b/out/", True),
        ("gs://b/in/*", "in/", True),
    ],
)
def test_an_output_that_a_later_batch_would_read_is_refused(pattern: str, output: str, fits: bool) -> None:
    if fits:
        check_output(pattern, output, ["a"])
        return
    with pytest.raises(BadSetting, match=f"{output} is among the files of "):
        check_output(pattern, output, ["a"])
