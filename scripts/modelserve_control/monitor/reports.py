"""The files of a report, which are made before the work begins and are complete or not there."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from modelserve_control.batch.files import table_files
from modelserve_control.common.progress import Progress
from modelserve_control.report import markdown, page
from modelserve_control.report.sections import Section

Write = Callable[[str, Iterable[Section]], None]


@contextmanager
def create_reports(
    markdown_file: str | None, html_file: str | None, overwrite: bool, progress: Progress
) -> Iterator[Write]:
    """Writes a title and its sections into each file that is named. Raises OutputExists at once."""
    with ExitStack() as stack:
        files: list[tuple[Path, Callable[[str, Iterable[Section]], str]]] = [
            (stack.enter_context(table_files.create(address, overwrite, progress)), render)
            for address, render in ((markdown_file, markdown.render), (html_file, page.render))
            if address is not None
        ]

        def write(title: str, sections: Iterable[Section]) -> None:
            known = list(sections)
            for path, render in files:
                path.write_text(render(title, known), encoding="utf-8")

        yield write
