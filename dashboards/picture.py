"""`python -m dashboards.picture --prometheus URL` draws the boards from the queries of their panels."""

import argparse
import sys
import time
from pathlib import Path

import httpx

from dashboards.__main__ import BOARDS
from dashboards.asking import Prometheus, Span
from dashboards.board import Board
from dashboards.chart import picture

POINTS = 120


def main(argv: list[str]) -> int:
    given = _arguments(argv)
    end = int(time.time())
    span = Span(end - given.minutes * 60, end, max(15, given.minutes * 60 // POINTS))
    given.out.mkdir(parents=True, exist_ok=True)
    prometheus = Prometheus(given.prometheus)
    try:
        for board in BOARDS:
            if given.board in {None, board.uid}:
                path = given.out / f"{board.uid}.svg"
                path.write_text(drawn(board, prometheus, span), encoding="utf-8")
                sys.stdout.write(f"{path}\n")
    except httpx.HTTPError as reason:
        sys.stderr.write(f"error: {given.prometheus} does not answer: {reason}; next: amas status\n")
        return 3
    finally:
        prometheus.close()
    return 0


def drawn(board: Board, prometheus: Prometheus, span: Span) -> str:
    found = {place: prometheus.panel(panel, span) for place, panel in enumerate(board.panels())}
    return picture(board, found, span)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dashboards.picture", description=__doc__)
    parser.add_argument("--prometheus", metavar="URL", default="http://localhost:9090")
    parser.add_argument("--minutes", type=int, default=30, help="how far back, default 30")
    parser.add_argument("--board", choices=[board.uid for board in BOARDS], help="default: all")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), metavar="FOLDER")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
