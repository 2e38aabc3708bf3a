"""Images of scenes: textured grounds and silhouettes, in the look of each domain."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from .scenes import LOOKS, Group, Scene

SIDE = 168  # pixels of the finished image
SCALE = 2  # drawn this much larger, then reduced
RGB = {
    "red": (214, 48, 49), "orange": (240, 138, 36), "yellow": (250, 211, 60), "green": (46, 150, 70),
    "blue": (52, 101, 208), "purple": (128, 62, 170), "pink": (244, 143, 190), "white": (248, 248, 244),
}  # fmt: skip
GROUND_RGB = {
    "coco": {
        "grass": (142, 190, 92), "sand": (226, 203, 150), "water": (128, 190, 222),
        "snow": (228, 233, 240), "wood": (172, 128, 86),
    },
    "flickr30k": {
        "slate": (58, 66, 70), "sand": (104, 88, 62), "brick": (104, 48, 42),
        "night": (22, 24, 52), "wood": (66, 46, 34),
    },
}  # fmt: skip


def _ring(
    points: int, radius: float = 1.0, start: float = -90.0, inner: float | None = None
) -> list[tuple[float, float]]:
    """Vertices on a circle, alternating with an inner circle when one is given."""
    total = points * (2 if inner else 1)
    angles = [math.radians(start + 360 * i / total) for i in range(total)]
    radii = [radius if not inner or i % 2 == 0 else inner for i in range(total)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def _arc(cx: float, cy: float, rx: float, ry: float, begin: float, end: float) -> list[tuple[float, float]]:
    angles = np.radians(np.linspace(begin, end, 24))
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


# Each noun: polygons in a [-1, 1] square (y downwards), painted in order in the object's colour.
SILHOUETTES: dict[str, list[list[tuple[float, float]]]] = {
    "ball": [_ring(36, 0.9)],
    "boat": [[(-1, 0.25), (1, 0.25), (0.6, 0.85), (-0.6, 0.85)], [(-0.05, -0.95), (-0.05, 0.1), (-0.75, 0.1)],
             [(0.08, -0.7), (0.08, 0.1), (0.7, 0.1)]],
    "box": [[(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]],
    "crown": [[(-0.9, -0.6), (-0.45, 0.05), (0, -0.85), (0.45, 0.05), (0.9, -0.6), (0.75, 0.75), (-0.75, 0.75)]],
    "fish": [_arc(-0.2, 0, 0.8, 0.5, 0, 360), [(0.4, 0), (1, -0.55), (1, 0.55)]],
    "flower": [[(-0.09, 0.1), (0.09, 0.1), (0.09, 1), (-0.09, 1)],
               *[[(x * 0.48 + px, y * 0.48 - 0.28 + py) for x, y in _ring(16, 0.7)] for px, py in _ring(5, 0.42)]],
    "heart": [[(0, 0.95), *_arc(-0.47, -0.3, 0.48, 0.5, 150, 360), *_arc(0.47, -0.3, 0.48, 0.5, 180, 390)]],
    "house": [[(-0.7, -0.1), (0.7, -0.1), (0.7, 0.9), (-0.7, 0.9)], [(-1, -0.1), (0, -0.95), (1, -0.1)]],
    "kite": [[(0, -1), (0.62, -0.25), (0, 0.55), (-0.62, -0.25)], [(0, 0.5), (0.28, 1), (-0.28, 1)]],
    "moon": [[*_arc(0, 0, 0.95, 0.95, 50, 310), *_arc(0.35, 0, 0.62, 0.74, 285, 75)]],
    "mushroom": [[(-0.25, 0), (0.25, 0), (0.32, 0.95), (-0.32, 0.95)], _arc(0, 0.08, 0.95, 0.95, 180, 360)],
    "star": [_ring(5, 1.0, inner=0.42)],
    "tent": [[(0, -0.85), (1, 0.8), (-1, 0.8)]],
    "tree": [[(-0.14, 0.3), (0.14, 0.3), (0.14, 1), (-0.14, 1)], [(0, -0.45), (0.85, 0.55), (-0.85, 0.55)],
             [(0, -1), (0.65, -0.05), (-0.65, -0.05)]],
}  # fmt: skip


def _shade(rgb: tuple[int, ...], factor: float) -> tuple[int, ...]:
    return tuple(int(max(0, min(255, c * factor))) for c in rgb)


def _ground(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The textured ground, at drawing scale."""
    side = SIDE * SCALE
    base = GROUND_RGB[LOOKS[scene.domain]][scene.ground]
    image = Image.new("RGB", (side, side), base)
    pen = ImageDraw.Draw(image)
    if scene.ground == "grass":
        for x, y in rng.integers(0, side, (160, 2)):
            pen.line((x, y, x + int(rng.integers(-4, 5)), y - 12), fill=_shade(base, rng.uniform(0.75, 1.1)), width=2)
    elif scene.ground in ("sand", "snow", "night"):
        bright = {"sand": (0.85, 1.1), "snow": (0.93, 1.06), "night": (4.0, 9.0)}[scene.ground]
        for x, y in rng.integers(0, side, (60 if scene.ground == "night" else 260, 2)):
            r = int(rng.integers(1, 3))
            pen.ellipse((x - r, y - r, x + r, y + r), fill=_shade(base, rng.uniform(*bright)))
    elif scene.ground == "water":
        for y in range(8, side, 22):
            shift, wave = rng.uniform(0, 6.3), np.arange(0, side + 8, 8)
            points = [(int(x), int(y + 4 * math.sin(x / 14 + shift))) for x in wave]
            pen.line(points, fill=_shade(base, 1.13), width=3)
    elif scene.ground == "wood":
        for x in range(0, side, 48):
            pen.rectangle((x, 0, x + 47, side), fill=_shade(base, rng.uniform(0.9, 1.08)), outline=_shade(base, 0.75))
    elif scene.ground == "brick":
        for row, y in enumerate(range(0, side, 24)):
            for x in range(-24 * (row % 2), side, 48):
                fill = _shade(base, rng.uniform(0.85, 1.15))
                pen.rectangle((x, y, x + 47, y + 23), fill=fill, outline=_shade(base, 1.6))
    else:
        for x, y in rng.integers(0, side, (40, 2)):
            pen.line((x, y, x + 60, y + int(rng.integers(-12, 12))), fill=_shade(base, 1.12), width=4)
    return image


def _centres(group: Group, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Pixel centres of a group's objects inside its third-by-half place, with jitter."""
    side = SIDE * SCALE
    cx, cy = (group.column + 0.5) * side / 3, (group.row + 0.5) * side / 2
    spread = {1: [(0, 0)], 2: [(-26, -26), (26, 26)], 3: [(-27, -32), (27, -10), (-14, 36)]}[group.count]
    room = 8 if group.size == "large" else 14 if group.count == 1 else 3
    flip = 1 if rng.random() < 0.5 else -1
    return [
        (cx + flip * x + rng.uniform(-room, room), cy + y + rng.uniform(-1.6 * room, 1.6 * room)) for x, y in spread
    ]


def _object(pen: ImageDraw.ImageDraw, group: Group, centre: tuple[float, float], domain: str) -> None:
    radius = 47.0 if group.size == "large" else 25.0
    rgb = RGB[group.colour]
    polygons = [
        [(centre[0] + radius * x, centre[1] + radius * y) for x, y in shape] for shape in SILHOUETTES[group.noun]
    ]
    if domain == "coco":
        for polygon in polygons:
            pen.line([*polygon, polygon[0]], fill=_shade(rgb, 0.35), width=6, joint="curve")
        for polygon in polygons:
            pen.polygon(polygon, fill=rgb)
    else:
        for polygon in polygons:
            pen.polygon(polygon, fill=_shade(rgb, 0.55))
        for polygon in polygons:
            pen.line([*polygon, polygon[0]], fill=_shade(rgb, 1.12), width=5, joint="curve")


def draw(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene as an RGB image of SIDE x SIDE pixels."""
    image = _ground(scene, rng)
    pen = ImageDraw.Draw(image)
    for group in scene.groups:
        for centre in _centres(group, rng):
            _object(pen, group, centre, LOOKS[scene.domain])
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)
