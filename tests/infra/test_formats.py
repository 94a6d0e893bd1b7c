"""What only the provider would refuse is refused here: words, formats, bounds, and what excludes each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.conftest import NEWEST
from infra.environments import project
from infra.google import formats
from infra.terraform import Change

# In each word one letter is wrong, or a value has another form; the second is what is refused.
CHANGES = (
    (Change("alerts.tf", '"REDUCE_MAX"', '"REDUCE_MAXX"'), "is REDUCE_MAXX,"),
    (Change("uptime.tf", '"OIDC_TOKEN"', '"OIDC_TOKENS"'), "is OIDC_TOKENS,"),
    (Change("build.tf", '"COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"', '"COMMENTS_ENABLE"'), "is COMMENTS_ENABLE,"),
    (Change("modules/fallback/backends.tf", '"INTERNET_FQDN_PORT"', '"INTERNET_FDQN_PORT"'), "is INTERNET_FDQN_PORT,"),
    (Change("registry.tf", '"DELETE"', '"REMOVE"'), "is REMOVE,"),
    (Change("project_grants.tf", '"60s"', '"60"'), "create_duration '60'"),
    (Change("store.tf", "  source = var.source_archive\n", '  source = var.source_archive\n  content = "x"\n'), "source and content exclude each other"),
)  # fmt: skip


@pytest.mark.usefixtures("stand_in")
def test_a_wrong_letter_is_found(tmp_path: Path) -> None:
    with project("everything", NEWEST, tmp_path, *(change for change, _ in CHANGES)) as made:
        made.bootstrap()
        done = made.workspace.run("plan", "-no-color", *made.variables)
        assert done.returncode == 1
        assert "Error: action is REMOVE, and may be DELETE, KEEP" in done.stderr
        made.cloud.strict = False
        made.plan()
    assert [text for _, text in CHANGES if text not in "\n".join(made.cloud.refused)] == [], made.cloud.refused


@pytest.mark.parametrize(("kinds", "path"), [row[:2] for row in formats.FORMATS], ids=str)
def test_a_format_is_looked_at(kinds: str, path: str) -> None:
    assert list(formats.refusals(kinds.replace("*", "x"), nest(path, " "), {})) != []


@pytest.mark.parametrize(("kind", "path", "least", "most"), [row[:4] for row in formats.BOUNDS], ids=str)
def test_a_bound_is_looked_at(kind: str, path: str, least: int, most: int) -> None:
    refused = [
        list(formats.refusals(kind, nest(path, value), {})) != [] for value in (least - 1, least, most, most + 1)
    ]
    assert refused == [True, False, False, True]


@pytest.mark.parametrize(("kind", "paths"), [row[:2] for row in formats.EXCLUSIVE], ids=str)
def test_what_excludes_another_is_looked_at(kind: str, paths: tuple[str, str]) -> None:
    one, other = nest(paths[0], "a"), nest(paths[1], "b")
    assert list(formats.refusals(kind, one, {})) == []
    together = {
        name: [*one.get(name, []), *other.get(name, [])] if name in one.keys() & other.keys() else (one | other)[name]
        for name in one | other
    }
    assert "exclude each other" in "".join(formats.refusals(kind, together, {}))


def nest(path: str, value: Any) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    return {name: [nest(rest, value)] if rest else value}
