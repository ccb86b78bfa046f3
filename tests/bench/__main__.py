"""`make bench`: every figure of the house against its target, in one go.

`make bench ARGS='--only send,context --rounds 7'` for some of them; `--help` lists the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench import (
    client,
    delivering,
    listening,
    minting,
    overview,
    reading,
    rendering,
    throughput,
)
from tests.bench.houses import POSTGRES, SQLITE, Grounds
from tests.bench.machine import facts
from tests.bench.measures import Figure, Options, table

Group = Callable[[Options, Grounds], Iterator[Figure]]

GROUPS: Final[Mapping[str, Group]] = {
    "context": throughput.context_figures,
    "send": throughput.send_figures,
    "burst": throughput.burst_figures,
    "listeners": listening.listener_figures,
    "lists": reading.list_figures,
    "overview": overview.overview_figures,
    "json": reading.json_figures,
    "dispatch": delivering.dispatch_figures,
    "http": delivering.http_figures,
    "batches": delivering.batch_figures,
    "smtp": delivering.smtp_figures,
    "render": rendering.render_figures,
    "mint": minting.mint_figures,
    "client": client.client_figures,
}


def main(arguments: Sequence[str] | None = None) -> int:
    given = _read(arguments)
    options = Options(
        messages=given.messages,
        rounds=given.rounds,
        seconds=given.seconds,
        connections=given.connections,
        databases=given.databases,
    )
    with tempfile.TemporaryDirectory(prefix="senderkit-bench-", dir=given.folder) as folder:
        grounds = Grounds(Path(folder))
        try:
            machine = facts(options, grounds)
            figures = list(_measure(given.only, options, grounds))
        finally:
            grounds.close()
    machine["load after"] = "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg())
    _show(figures, machine, as_json=given.json)
    return 0


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    usual = Options()
    parser.add_argument("--messages", type=int, default=usual.messages, help="size of the big log")
    parser.add_argument("--rounds", type=int, default=usual.rounds)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of one round")
    parser.add_argument("--connections", type=int, default=usual.connections)
    parser.add_argument("--only", type=_names(GROUPS), default=list(GROUPS), metavar="GROUP,…")
    parser.add_argument(
        "--databases", type=_names((SQLITE, POSTGRES)), default=[SQLITE, POSTGRES], metavar="NAME,…"
    )
    parser.add_argument("--folder", type=Path, help="where the databases lie; a disk, not memory")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(arguments)


def _names(known: Sequence[str] | Mapping[str, object]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]}: use {', '.join(known)}")
        return names

    return read


def _measure(names: Sequence[str], options: Options, grounds: Grounds) -> Iterator[Figure]:
    for name in names:
        for figure in GROUPS[name](options, grounds):
            print(f"… {figure.name}: {figure.reached:.3g} {figure.unit}", file=sys.stderr)
            yield figure


def _show(figures: Sequence[Figure], machine: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        document = {"machine": machine, "figures": [figure.as_json() for figure in figures]}
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for name, words in machine.items():
        print(f"{name}: {words}")
    print()
    print(table(figures))


if __name__ == "__main__":
    sys.exit(main())
