"""What a render costs: an email of 30 KB with a table of 50 rows, against the engine alone."""

from __future__ import annotations

import html
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from senderkit.domain import Channel
from senderkit.mustache import Budget, compile_template
from senderkit.rendering import Surroundings, compile_content
from senderkit.themes import Theme
from tests.bench.houses import Grounds
from tests.bench.measures import Figure, Options, alternately, ratios

_ROWS: Final = 50
_BYTES: Final = 30_000
_RENDERS: Final = 100
_ROW: Final = (
    "{{#rows}}<tr><td>{{number}}</td><td>{{name}}{{#is_new}} <b>new</b>{{/is_new}}</td>"
    '<td class="number">{{amount}}</td></tr>{{/rows}}'
)
_PARAGRAPH: Final = (
    '<p class="muted">Dear {{customer.name}}, <a href="{{url}}">{{label}}</a>: thanks.</p>\n'
)
_BLOCKS: Final = {"footer": "<p>{{company}}, 1 High Street</p>"}
_VARIABLES: Final = {
    "customer": {"name": "Ada & Bob"},
    "url": "https://acme.example/orders/1",
    "label": "Your order",
    "company": "Acme",
    "rows": [
        {"number": n, "name": f"Item {n}", "is_new": n % 5 == 0, "amount": f"{n}.00 €"}
        for n in range(_ROWS)
    ],
}


def _source() -> str:
    around = f'<h1>Hello</h1><table class="rows">{_ROW}</table>{{{{> footer}}}}'
    return around + _PARAGRAPH * ((_BYTES - len(around)) // len(_PARAGRAPH))


def render_figures(options: Options, grounds: Grounds) -> Iterator[Figure]:
    """Whole renders with and without a theme, and the Mustache engine on the same HTML."""
    del grounds
    source = _source()
    compiled = compile_content(Channel.EMAIL, {"subject": "Order", "html": source})
    engine = compile_template(source)
    bare, themed = Surroundings(_BLOCKS.get), Surroundings(_BLOCKS.get, Theme())
    works: dict[str, Callable[[], Any]] = {
        "engine": lambda: engine.render(
            _VARIABLES,
            escape=html.escape,
            partials=_BLOCKS.get,
            budget=Budget(),
            missing={},
        ),
        "bare": lambda: compiled.render(_VARIABLES, bare),
        "themed": lambda: compiled.render(_VARIABLES, themed),
        "compile": lambda: compile_content(Channel.EMAIL, {"subject": "Order", "html": source}),
    }
    taken = alternately({name: _timed(work) for name, work in works.items()}, options.rounds)
    yield from _figures(len(source), taken)


def _timed(work: Callable[[], Any]) -> Callable[[], list[float]]:
    """Milliseconds of each render of a round."""

    def measure() -> list[float]:
        times = []
        for _ in range(_RENDERS):
            began_at = time.perf_counter()
            work()
            times.append((time.perf_counter() - began_at) * 1000)
        return times

    return measure


def _figures(size: int, taken: dict[str, list[list[float]]]) -> Iterator[Figure]:
    halves = {
        name: [statistics.median(times) for times in rounds] for name, rounds in taken.items()
    }
    words = {
        "engine": "Mustache alone",
        "bare": "render, no theme",
        "themed": "render, with a theme",
        "compile": "compile",
    }
    for name, what in words.items():
        yield Figure(f"{what}, {size // 1000} KB, {_ROWS} rows, p50", "ms", tuple(halves[name]))
        high = tuple(statistics.quantiles(times, n=100)[-1] for times in taken[name])
        yield Figure(f"{what}, {size // 1000} KB, {_ROWS} rows, p99", "ms", high)
    for name in ("bare", "themed"):
        times = ratios(halves[name], halves["engine"])
        yield Figure(f"{words[name]}", "× Mustache alone", times)
