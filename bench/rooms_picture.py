"""The picture of the house: its rooms as boxes on a stair, from the top layer down, and each arrow with its count.

An arrow leaves a room to the right, turns at its count and falls on the room that is imported. One that runs up, from a
lower room to a higher one, leaves to the left and is red. So no two arrows cover each other, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

STEP, ROW, BOX, TALL, EDGE = 34, 30, 168, 22, 12
"""Pixels: a step to the right and one down, a box's width and height, the margin."""
INK, UP, BAND = "#1f4e79", "#c0392b", "#eef3f8"
LEGEND = (
    "An arrow leaves the room that imports to the right",
    "and falls on the room that is imported.",
    "Its number counts imports from file to file;",
    "a box's number counts files.",
    "Rooms on one band are one layer. A red arrow runs up.",
)


def svg(
    rooms: Mapping[str, Sequence[str]], arrows: Mapping[tuple[str, str], int], layers: Sequence[Sequence[str]]
) -> str:
    """The picture as SVG. `rooms` from the top down, each with its files; `arrows`: (from, to) -> imports."""
    place = {room: number for number, room in enumerate(rooms)}
    layer_of = {room: number for number, layer in enumerate(layers) for room in layer}
    width, height = (len(rooms) - 1) * STEP + BOX + 2 * EDGE, len(rooms) * ROW + 2 * EDGE
    bands = [_band(at, width) for room, at in place.items() if layer_of.get(room, 0) % 2]
    drawn = [_arrow(place[a], place[b], count) for (a, b), count in sorted(arrows.items()) if a != b]
    lines, counts = [line for line, _ in drawn], [count for _, count in drawn]
    boxes = [_box(at, room, len(rooms[room])) for room, at in place.items()]
    words = [_text(EDGE + 6, height - EDGE - 16 * (len(LEGEND) - n) + 4, line) for n, line in enumerate(LEGEND)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n<title>The rooms of the house, and what imports what</title>\n'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="context-stroke"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, *bands, *lines, *counts, *boxes, *words, "</svg>\n"])


def _band(at: int, width: int) -> str:
    return f'<rect x="0" y="{EDGE + at * ROW}" width="{width}" height="{ROW}" fill="{BAND}"/>'


def _box(at: int, room: str, files: int) -> str:
    x, y = EDGE + at * STEP, EDGE + at * ROW + (ROW - TALL) // 2
    return (
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="3" fill="#fff" stroke="#333"/>'
        f"{_text(x + 6, y + 15, room)}{_text(x + BOX - 6, y + 15, str(files), 'end')}"
    )


def _arrow(start: int, end: int, count: int) -> tuple[str, str]:
    """The line, and its count, which no other line may cross out."""
    down = end > start
    side = BOX if down else 0
    x, y = EDGE + start * STEP + side, EDGE + start * ROW + ROW // 2
    turn = EDGE + end * STEP + (side - STEP // 2 if down else STEP // 2)
    tip = EDGE + end * ROW + (ROW + (-TALL if down else TALL)) // 2
    colour = INK if down else UP
    return (
        f'<path d="M{x} {y}H{turn}V{tip}" fill="none" stroke="{colour}" stroke-opacity=".5" marker-end="url(#tip)"/>',
        f'<circle cx="{turn}" cy="{y}" r="9" fill="{colour}"/>{_text(turn, y + 4, str(count), "middle", "#fff")}',
    )


def _text(x: int, y: int, text: str, anchor: str = "start", colour: str = "#222") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
