"""Draw docs/folders.svg: the folders of both packages, and who imports whom.

`python test/helpers/folder_figure.py` writes the figure anew; a test compares it with the imports.
An arrow stands for an import that no path of other arrows implies.
"""

from __future__ import annotations

import ast
import itertools
from collections import defaultdict
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
FIGURE = ROOT / "docs" / "folders.svg"
PACKAGES = ("clip2scene_ros", "clip2scene_core")
SMALL = "sample, labels, device"
"""One box for the modules at the core's root that nearly everybody imports."""

WIDTH, BOX_WIDTH, BOX_HEIGHT, ROW_HEIGHT, MARGIN = 1180, 132, 34, 92, 26
COLORS = {"clip2scene_ros": "#dbe9f6", "clip2scene_core": "#e6f0d8"}

Edges = dict[str, set[str]]
Stop = str | tuple[str, str, int]
"""A room, or the place where an arrow (from, to) crosses a row."""


def read_imports() -> Edges:
    """Find which room imports which; a room is a folder below a package, or a file beside them."""
    edges: Edges = defaultdict(set)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            room = _room(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                for name in names:
                    target = _room(name) if name.split(".")[0] in PACKAGES else ""
                    if room and target and target != room:
                        edges[room].add(target)
                        edges[target] |= set()
    return dict(edges)


def _room(module: str) -> str:
    """Name the room of a module; '' for a package itself."""
    package, *rest = module.split(".")
    if not rest or rest[0].startswith("_"):
        return ""
    if package == "clip2scene_ros":
        return "" if rest[0] in ("share", "launch_arguments") else f"{package}/{rest[0]}"
    if (ROOT / package / rest[0]).is_dir():
        return f"{package}/{rest[0]}"
    return f"{package}/checkpoint" if rest[0] == "checkpoint" else f"{package}/{SMALL}"


def reduce_edges(edges: Edges) -> Edges:
    """Leave out each arrow that a path of other arrows implies; the graph has no circles."""
    reachable: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in reachable:
            reachable[room] = set().union(*({other} | reach(other) for other in edges[room]))
        return reachable[room]

    return {
        room: {
            other
            for other in targets
            if not any(other in reach(between) for between in targets - {other})
        }
        for room, targets in edges.items()
    }


def rank_rooms(edges: Edges) -> dict[str, int]:
    """Number the rows from the bottom: a room stands above all that it imports."""
    ranks: dict[str, int] = {}

    def rank(room: str) -> int:
        if room not in ranks:
            ranks[room] = 1 + max((rank(other) for other in edges[room]), default=-1)
        return ranks[room]

    for room in edges:
        rank(room)
    return ranks


def draw() -> str:
    """Draw the figure as SVG text."""
    edges = read_imports()
    ranks = rank_rooms(edges)
    routes = [
        _route(a, b, ranks) for a, bs in sorted(reduce_edges(edges).items()) for b in sorted(bs)
    ]
    place = _place(ranks, routes)
    height = ROW_HEIGHT * (max(ranks.values()) + 1) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="14">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    parts += [_arrow([place[stop] for stop in route]) for route in routes]
    for room in sorted(ranks):
        (package, name), (x, y) = room.split("/", 1), place[room]
        parts.append(
            f'<rect x="{x - _width(room) / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" '
            f'width="{_width(room)}" height="{BOX_HEIGHT}" rx="5" fill="{COLORS[package]}" '
            f'stroke="#888"/><text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">'
            f"{escape(name)}</text>"
        )
    for number, package in enumerate(PACKAGES):
        y = MARGIN + 22 * number
        parts.append(
            f'<rect x="{MARGIN}" y="{y - 11}" width="16" height="14" fill="{COLORS[package]}" '
            f'stroke="#888"/><text x="{MARGIN + 24}" y="{y + 1}">{package}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _route(room: str, other: str, ranks: dict[str, int]) -> list[Stop]:
    """List the stops of an arrow, one a row, so that it passes between the boxes."""
    between = range(ranks[room] - 1, ranks[other], -1)
    return [room, *((room, other, rank) for rank in between), other]


def _place(ranks: dict[str, int], routes: list[list[Stop]]) -> dict[Stop, tuple[float, float]]:
    """Give each stop its centre; stops stand near those that they are joined with."""
    joined: dict[Stop, list[Stop]] = defaultdict(list)
    rows: list[list[Stop]] = [[] for _ in range(max(ranks.values()) + 1)]
    for room, rank in sorted(ranks.items()):
        rows[rank].append(room)
    for route in routes:
        for stop in route[1:-1]:
            rows[stop[2]].append(stop)  # type: ignore[arg-type]
        for one, other in itertools.pairwise(route):
            joined[one].append(other)
            joined[other].append(one)
    x_of: dict[Stop, float] = {}
    for row in rows:
        _spread(row, x_of)
    for row in [*rows[::-1], *rows] * 6:
        near = {stop: sum(x_of[o] for o in joined[stop]) / len(joined[stop]) for stop in row}
        row.sort(key=lambda stop: (round(near[stop], 3), str(stop)))
        _spread(row, x_of)
    return {
        stop: (x_of[stop], MARGIN + BOX_HEIGHT + ROW_HEIGHT * (len(rows) - 1 - rank))
        for rank, row in enumerate(rows)
        for stop in row
    }


def _spread(row: list[Stop], x_of: dict[Stop, float]) -> None:
    """Set the stops of a row side by side, with equal gaps."""
    gap = (WIDTH - sum(_width(stop) for stop in row)) / (len(row) + 1)
    x = 0.0
    for stop in row:
        x += gap + _width(stop) / 2
        x_of[stop] = x
        x += _width(stop) / 2


def _width(stop: Stop) -> int:
    if isinstance(stop, tuple):
        return 6
    return BOX_WIDTH + (60 if stop.endswith(SMALL) else 0)


def _arrow(points: list[tuple[float, float]]) -> str:
    """Draw a smooth line from the bottom of the first box to the top of the last one."""
    (x, y), *rest = points
    y += BOX_HEIGHT / 2
    path = f"M{x:.0f} {y:.0f}"
    for number, (x1, y1) in enumerate(rest):
        is_last = number == len(rest) - 1
        y1 -= BOX_HEIGHT / 2 + (2 if is_last else 0)
        bend = (y1 - y) / 2
        path += f"C{x:.0f} {y + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
        x, y = x1, y1
        if not is_last:
            y += BOX_HEIGHT
            path += f"V{y:.0f}"
    return f'<path d="{path}" fill="none" stroke="#999" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    FIGURE.write_text(draw())
