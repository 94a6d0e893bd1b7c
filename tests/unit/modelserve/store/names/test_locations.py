from __future__ import annotations

from pathlib import Path

import pytest

from modelserve.core.errors import BadSetting
from modelserve.store.names.locations import (
    Location,
    alias_name,
    check_alias,
    check_model_name,
    check_version,
    manifest_name,
    parse,
    parse_store,
    version_prefix,
)

PARSED = {
    "gs://bucket/models/churn@champion": Location("gs", "bucket", "models/churn", "churn", alias="champion"),
    "gs://bucket/models/churn/versions/7": Location("gs", "bucket", "models/churn/versions/7", "churn", "7"),
    "gs://bucket/models/churn/versions/7/": Location("gs", "bucket", "models/churn/versions/7", "churn", "7"),
    "gs://bucket/1/abc/artifacts/model": Location("gs", "bucket", "1/abc/artifacts/model"),
    "gs://bucket/models/m-0a/artifacts": Location("gs", "bucket", "models/m-0a/artifacts"),
    "gs://bucket/team/models/churn@champion": Location("gs", "bucket", "team/models/churn@champion"),
    "gs://bucket": Location("gs", "bucket"),
    "/srv/store/models/churn@champion": Location("file", "/srv/store", "models/churn", "churn", alias="champion"),
    "file:///srv/models/churn/versions/7": Location("file", "/srv", "models/churn/versions/7", "churn", "7"),
    "/srv/run/artifacts/model/": Location("file", "/srv/run/artifacts/model"),
}

WRONG = [
    "",
    "s3://bucket/models/churn@champion",
    "runs:/abc/model",
    "gs://",
    "gs://B",
    "gs://bucket/models/churn@7",
    "gs://bucket/models/churn@v7",
    "gs://bucket/models/churn@latest",
    "gs://bucket/models/churn@",
    "gs://bucket/models/churn/versions/07",
    "gs://bucket/models/churn/versions/0",
    "gs://bucket/models/churn/versions/x",
    "gs://bucket/models/..@champion",
    "gs://bucket/a/../b",
    "gs://bucket/a//b",
    "/srv/models/ch urn@champion",
    "/srv\0",
]


@pytest.mark.parametrize(("uri", "location"), PARSED.items(), ids=PARSED.keys())
def test_every_form_of_model_uri_is_understood(uri: str, location: Location) -> None:
    assert parse(uri) == location


@pytest.mark.parametrize("uri", WRONG)
def test_any_other_text_is_a_setting_error(uri: str) -> None:
    with pytest.raises(BadSetting):
        parse(uri)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("models/churn@champion").bucket == str(tmp_path)
    assert parse("some/model").bucket == str(tmp_path / "some/model")


@pytest.mark.parametrize(
    "uri", ["gs://bucket/models/churn@champion", "gs://bucket/models/churn/versions/7", "gs://b-c/x"]
)
def test_a_location_is_printed_as_it_was_written(uri: str) -> None:
    assert str(parse(uri)) == uri


def test_a_store_is_a_bucket_or_a_directory() -> None:
    assert parse_store("gs://bucket/") == Location("gs", "bucket")
    assert parse_store("/srv/store") == Location("file", "/srv/store")
    with pytest.raises(BadSetting, match="whole bucket"):
        parse_store("gs://bucket/models")


def test_object_names_follow_the_contract() -> None:
    assert version_prefix("churn", "7") == "models/churn/versions/7"
    assert manifest_name("churn", "7") == "models/churn/versions/7/manifest.json"
    assert alias_name("churn", "champion") == "models/churn/aliases/champion.json"


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a/b", "a@b", "a b", "a" * 129, "é", "a\n"])
def test_a_bad_model_name_is_refused(name: str) -> None:
    with pytest.raises(BadSetting):
        check_model_name(name)


@pytest.mark.parametrize("version", ["", "0", "01", "-1", "1.0", "1" * 19, "٣", "1\n"])
def test_a_bad_version_is_refused(version: str) -> None:
    with pytest.raises(BadSetting):
        check_version(version)


@pytest.mark.parametrize("alias", ["", "7", "v7", "V7", "LATEST", "a.b", "a/b", "é", "a" * 256, "a\n"])
def test_a_bad_alias_is_refused(alias: str) -> None:
    with pytest.raises(BadSetting):
        check_alias(alias)
