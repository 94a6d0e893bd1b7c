"""What tabs are made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from dash import Output, dcc, html

from modelserve_control.common.output import advice, detail_lines


@dataclass(frozen=True)
class Chosen:
    """The address of the page: a tab, a model (None: the store has none), and what its links and forms chose."""

    tab: str
    model: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)

    def get(self, key: str) -> str | None:
        return self.values.get(key) or None

    def to(self, tab: str, **values: str | None) -> str:
        found = {key: value for key, value in {"model": self.model, **values}.items() if value}
        return f"/{tab}?{urlencode(found)}" if found else f"/{tab}"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], label: str) -> Any:
    """A region that scrolls by itself, so that a keyboard reaches all of it."""
    body = [html.Tr([html.Td(cell) for cell in row]) for row in rows]
    header = html.Thead(html.Tr([html.Th(cell[:1].upper() + cell[1:], scope="col") for cell in head]))
    return html.Div(
        html.Table([header, html.Tbody(body)]), className="scroll", tabIndex=0, role="region", **aria(label=label)
    )


def link(words: str, address: str, current: bool = False) -> Any:
    return html.Strong(words, **aria(current="true")) if current else dcc.Link(words, href=address)


def aria(**values: str) -> dict[str, Any]:
    return {f"aria-{key}": value for key, value in values.items()}


def form(chosen: Chosen, *controls: Any, button: str) -> Any:
    """Its choices become the address of the page, which the browser then loads."""
    model = html.Div(dcc.Input(type="hidden", name="model", value=chosen.model), hidden=True)
    return html.Form(
        [model, *controls, html.Button(button, type="submit")], method="get", action=f"/{chosen.tab}", className="row"
    )


def choice(chosen: Chosen, name: str, label: str, values: Sequence[str], default: str | None = None) -> Any:
    current = chosen.get(name) or default
    options = [html.Option(value, value=value, selected=value == current) for value in values]
    return html.Div([html.Label(label, htmlFor=f"choice-{name}"), html.Select(options, id=f"choice-{name}", name=name)])


def section(title: str, *parts: Any) -> Any:
    return html.Section([html.H2(title), *parts])


def soft(words: str) -> Any:
    return html.P(words, className="soft")


def running_text() -> Any:
    return html.P(id="running", className="soft", **aria(live="polite"))


def while_running(controls: str) -> list[tuple[Output, Any, Any]]:
    """For a callback: it disables the fieldset of this id while it runs, so that no button in it is pressed twice."""
    return [(Output(controls, "disabled"), True, False), (Output("running", "children"), "Running.", "")]


def refusal(message: str, details: Sequence[Mapping[str, Any]] = ()) -> Any:
    lines = detail_lines(details)
    listed = [html.Ul([html.Li(line) for line in lines])] if lines else []
    return html.Div([html.P(message), *listed, *map(html.P, advice(message, *lines))], role="alert", className="bad")
