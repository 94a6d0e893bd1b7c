"""`scripts/docs` builds the site, and fails on what it should fail on; nothing else in docs/ is wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from modelserve_control.cli.examples import commands
from modelserve_control.cli.main import main

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENT: Final = ROOT / ".cache/docs/.wanted"
PARTS: Final = ("docs", "scripts/website", "terraform", "kubernetes", "functions/modelserve")
FOREIGN: Final = re.compile(
    r"""<(?:script|img|iframe)[^>]* src=["']?(?:https?:)?//|<link[^>]*stylesheet[^>]*href=["']?https?:"""
)


@pytest.mark.timeout(600)  # a first installation takes a minute
def test_a_dead_link_a_missing_anchor_and_a_page_outside_the_menu_fail_and_nothing_else_does(tmp_path: Path) -> None:
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns(".terraform", "__pycache__"))
    for name in ("mkdocs.yml", "README.md", "SECURITY.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "docs/planted.md").write_text("[a](gone.md) [b](../functions/gone.py) [c](errors.md#gone)\n")
    built = subprocess.run(
        [ROOT / "scripts/docs", "--config-file", tmp_path / "mkdocs.yml"], capture_output=True, text=True, timeout=580
    )
    if not ENVIRONMENT.is_file():
        pytest.skip(f"the environment of scripts/docs cannot be made here: {built.stderr[-300:]}")
    warnings = [line for line in built.stderr.splitlines() if line.startswith("WARNING")]
    assert built.returncode != 0
    assert len(warnings) == 4, built.stderr  # the three links, and that no menu has the page
    assert sum("planted.md" in line and "gone" in line for line in warnings) == 3, built.stderr
    assert "  - planted.md" in built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    reference = (tmp_path / "site/commands.html").read_text()
    anchors = (f'id="modelserve-{path.replace(" ", "-")}"' for path, _ in commands(main))
    assert [anchor for anchor in anchors if anchor not in reference] == []
    assert [page.name for page in pages if FOREIGN.search(page.read_text())] == []
