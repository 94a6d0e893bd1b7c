"""Pages and files of the repository that stand outside docs/ are part of the site, under repository/."""

import re
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
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link is a path in the repository, and becomes one in the site; a file that is not there stays a dead link."""
    here = page.file.src_uri
    source = here.removeprefix(OUTSIDE) if here.startswith(OUTSIDE) else f"docs/{here}"

    def link(match: re.Match[str]) -> str:
        target = normpath(f"{dirname(source)}/{match[1]}".lstrip("/"))
        place = target.removeprefix("docs/") if target.startswith("docs/") else OUTSIDE + target
        return relpath(place, dirname(here) or ".")

    return LINK.sub(link, markdown)
