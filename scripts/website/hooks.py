"""Pages and files of the repository that stand outside docs/ are part of the site, under repository/; commands.md is made here."""

import re
import subprocess
from pathlib import Path
from posixpath import dirname, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE = "repository/"
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|[#/])([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    root = Path(config.docs_dir).parent
    for path in config.extra["outside"]:
        files.append(File.generated(config, OUTSIDE + path, abs_src_path=str(root / path)))
    files.append(File.generated(config, "commands.md", content=write_commands()))
    return files


def write_commands() -> str:
    """The kit is not installed beside MkDocs, so its own Python is asked: `scripts/docs` runs in the repository."""
    command = [".venv/bin/python", "scripts/website/commands.py"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link is a path in the repository, and becomes one in the site; a file that is not there stays a dead link."""
    here = page.file.src_uri
    source = here.removeprefix(OUTSIDE) if here.startswith(OUTSIDE) else f"docs/{here}"

    def link(match: re.Match[str]) -> str:
        target = normpath(f"{dirname(source)}/{match[1]}".lstrip("/"))
        place = target.removeprefix("docs/") if target.startswith("docs/") else OUTSIDE + target
        return relpath(place, dirname(here) or ".")

    return LINK.sub(link, markdown)
