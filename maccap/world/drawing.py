"""Images of scenes: textured grounds, and things with an outline, a shade and a shadow, in the look of each domain."""

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .scenes import LOOKS, Group, Scene

SIDE = 240  # pixels of the finished image
SCALE = 2  # drawn this much larger, then reduced
RADIUS = {"large": 70.0, "small": 37.0}  # of a thing, in pixels of the drawing
RGB = {
    "red": (214, 48, 49), "orange": (240, 138, 36), "yellow": (250, 211, 60), "green": (46, 150, 70),
    "blue": (52, 101, 208), "purple": (128, 62, 170), "pink": (244, 143, 190), "white": (250, 250, 246),
}  # fmt: skip
GROUND_RGB = {
    "daylight": {
        "grass": (142, 190, 92), "sand": (226, 203, 150), "water": (128, 190, 222),
        "snow": (214, 224, 234), "wood": (172, 128, 86),
    },
    "chalk": {
        "slate": (58, 66, 70), "sand": (104, 88, 62), "brick": (84, 62, 56),
        "night": (22, 24, 52), "wood": (66, 46, 34),
    },
}  # fmt: skip

Points = list[tuple[float, float]]


def _ring(points: int, radius: float = 1.0, start: float = -90.0, inner: float | None = None) -> Points:
    """Vertices on a circle, alternating with an inner circle when one is given."""
    total = points * (2 if inner else 1)
    angles = [math.radians(start + 360 * i / total) for i in range(total)]
    radii = [radius if not inner or i % 2 == 0 else inner for i in range(total)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def _arc(cx: float, cy: float, rx: float, ry: float, begin: float = 0, end: float = 360) -> Points:
    angles = np.radians(np.linspace(begin, end, 24))
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


def _bar(left: float, top: float, right: float, bottom: float) -> Points:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _hook(cx: float, cy: float, outer: float, inner: float, begin: float, end: float) -> Points:
    """A bent bar: the part of a ring between two angles."""
    return [*_arc(cx, cy, outer, outer, begin, end), *_arc(cx, cy, inner, inner, end, begin)]


# Each noun: what it is made of, polygons in a [-1, 1] square (y downwards), and the darker marks on it.
BODIES: dict[str, list[Points]] = {
    "ball": [_ring(36, 0.9)],
    "bell": [_arc(0, 0.72, 0.22, 0.22), _arc(0, -0.85, 0.14, 0.14),
             [(-0.95, 0.65), (-0.62, 0.3), *_arc(0, -0.25, 0.55, 0.6, 180, 360), (0.62, 0.3), (0.95, 0.65)]],
    "bird": [_bar(-0.12, 0.4, -0.03, 0.98), _bar(0.16, 0.4, 0.25, 0.98), [(-0.7, -0.55), (-1.08, -0.33), (-0.7, -0.2)],
             [(0.4, 0.25), (1.05, -0.45), (1.05, 0.1)], _arc(0.06, 0.15, 0.66, 0.42), _arc(-0.48, -0.4, 0.36, 0.36)],
    "boat": [[(-1, 0.25), (1, 0.25), (0.6, 0.85), (-0.6, 0.85)], [(-0.05, -0.95), (-0.05, 0.1), (-0.75, 0.1)],
             [(0.08, -0.7), (0.08, 0.1), (0.7, 0.1)]],
    "box": [_bar(-0.8, -0.8, 0.8, 0.8)],
    "car": [[(-1, 0.1), (-0.62, 0.0), (-0.38, -0.5), (0.38, -0.5), (0.66, 0.0), (1, 0.12), (1, 0.5), (-1, 0.5)],
            _arc(-0.5, 0.5, 0.3, 0.3), _arc(0.5, 0.5, 0.3, 0.3)],
    "crown": [[(-0.95, -0.6), (-0.45, 0.05), (0, -0.85), (0.45, 0.05), (0.95, -0.6), (0.75, 0.75), (-0.75, 0.75)]],
    "cup": [_hook(0.42, 0.0, 0.52, 0.28, -90, 90), [(-0.85, -0.7), (0.55, -0.7), (0.4, 0.8), (-0.7, 0.8)]],
    "fish": [[(0.3, 0), (1, -0.6), (1, 0.6)], _arc(-0.2, 0, 0.8, 0.52)],
    "flower": [_bar(-0.09, 0.1, 0.09, 1), [(0, 0.85), (0.5, 0.45), (0.55, 0.75)],
               *[[(x * 0.48 + px, y * 0.48 - 0.28 + py) for x, y in _ring(16, 0.7)] for px, py in _ring(5, 0.42)]],
    "heart": [[(0, 0.95), *_arc(-0.47, -0.3, 0.48, 0.5, 150, 360), *_arc(0.47, -0.3, 0.48, 0.5, 180, 390)]],
    "house": [_bar(0.35, -0.9, 0.6, -0.3), _bar(-0.75, -0.1, 0.75, 0.9), [(-1, -0.1), (0, -0.95), (1, -0.1)]],
    "key": [_bar(0, -0.1, 1, 0.1), _bar(0.5, 0, 0.66, 0.46), _bar(0.82, 0, 0.98, 0.46),
            _hook(-0.5, 0, 0.5, 0.23, 0, 360)],
    "kite": [[(0, -1), (0.66, -0.25), (0, 0.55), (-0.66, -0.25)], [(0, 0.5), (0.3, 1), (-0.3, 1)]],
    "moon": [[*_arc(0, 0, 0.95, 0.95, 50, 310), *_arc(0.35, 0, 0.62, 0.74, 285, 75)]],
    "mushroom": [[(-0.27, 0), (0.27, 0), (0.36, 0.95), (-0.36, 0.95)], _arc(0, 0.1, 0.95, 1.0, 180, 360)],
    "star": [_ring(5, 1.0, inner=0.42)],
    "tent": [[(0, -0.85), (1, 0.8), (-1, 0.8)]],
    "tree": [_bar(-0.14, 0.3, 0.14, 1), [(0, -0.45), (0.85, 0.55), (-0.85, 0.55)],
             [(0, -1), (0.65, -0.05), (-0.65, -0.05)]],
    "umbrella": [_bar(-0.07, -0.2, 0.07, 0.75), _hook(-0.2, 0.7, 0.27, 0.13, 0, 180),
                 [*_arc(0, 0, 1, 0.95, 180, 360), *_arc(0.67, 0, 0.33, 0.2, 0, -180), *_arc(0, 0, 0.33, 0.2, 0, -180),
                  *_arc(-0.67, 0, 0.33, 0.2, 0, -180)]],
}  # fmt: skip
MARKS: dict[str, list[Points]] = {
    "ball": [_bar(-0.84, -0.16, 0.84, 0.16)],
    "bell": [_bar(-0.66, 0.2, 0.66, 0.36)],
    "bird": [_arc(0.2, 0.1, 0.36, 0.2), _arc(-0.55, -0.45, 0.08, 0.08)],
    "boat": [[(-0.92, 0.36), (0.92, 0.36), (0.82, 0.52), (-0.82, 0.52)]],
    "box": [_bar(-0.14, -0.8, 0.14, 0.8), _bar(-0.8, -0.14, 0.8, 0.14)],
    "car": [[(-0.46, 0), (-0.28, -0.36), (0.28, -0.36), (0.48, 0)], _arc(-0.5, 0.5, 0.2, 0.2),
            _arc(0.5, 0.5, 0.2, 0.2)],
    "crown": [_bar(-0.77, 0.4, 0.77, 0.6)],
    "cup": [_bar(-0.76, -0.36, 0.46, -0.16)],
    "fish": [_arc(-0.62, -0.12, 0.1, 0.1), [(-0.25, 0), (0.2, -0.2), (0.2, 0.2)]],
    "flower": [_arc(0, -0.28, 0.24, 0.24)],
    "house": [_bar(-0.2, 0.3, 0.2, 0.9), _bar(-0.6, 0.05, -0.32, 0.33), _bar(0.32, 0.05, 0.6, 0.33)],
    "kite": [_bar(-0.04, -0.95, 0.04, 0.5), _bar(-0.6, -0.29, 0.6, -0.21)],
    "mushroom": [_arc(-0.4, -0.3, 0.18, 0.18), _arc(0.15, -0.55, 0.18, 0.18), _arc(0.5, -0.15, 0.18, 0.18)],
    "tent": [[(0, -0.2), (0.36, 0.8), (-0.36, 0.8)]],
    "umbrella": [[(-0.34, 0), (0, -0.95), (-0.24, 0)], [(0.34, 0), (0, -0.95), (0.24, 0)]],
}  # fmt: skip


def _shade(rgb: tuple[int, ...], factor: float) -> tuple[int, ...]:
    return tuple(int(max(0, min(255, c * factor))) for c in rgb)


@cache
def _texture(look: str, ground: str) -> Image.Image:
    """A textured ground, twice as large as a drawing."""
    side = 2 * SIDE * SCALE
    rng = np.random.default_rng(0)
    base = GROUND_RGB[look][ground]
    image = Image.new("RGB", (side, side), base)
    pen = ImageDraw.Draw(image)
    if ground == "grass":
        for x, y in rng.integers(0, side, (1280, 2)).tolist():
            pen.line((x, y, x + int(rng.integers(-5, 6)), y - 14), fill=_shade(base, rng.uniform(0.8, 1.1)), width=2)
    elif ground in ("sand", "snow", "night"):
        bright = {"sand": (0.85, 1.1), "snow": (0.93, 1.08), "night": (4.0, 9.0)}[ground]
        for x, y in rng.integers(0, side, (360 if ground == "night" else 1700, 2)).tolist():
            r = int(rng.integers(1, 3))
            pen.ellipse((x - r, y - r, x + r, y + r), fill=_shade(base, rng.uniform(*bright)))
    elif ground == "water":
        for y in range(10, side, 28):
            shift, wave = rng.uniform(0, 6.3), np.arange(0, side + 8, 8)
            points = [(int(x), int(y + 5 * math.sin(x / 18 + shift))) for x in wave]
            pen.line(points, fill=_shade(base, 1.12), width=4)
    elif ground == "wood":
        for x in range(0, side, 60):
            pen.rectangle((x, 0, x + 59, side), fill=_shade(base, rng.uniform(0.92, 1.06)), outline=_shade(base, 0.75))
            for grain in rng.integers(8, 52, 3).tolist():
                pen.line((x + grain, 0, x + grain + int(rng.integers(-6, 7)), side), fill=_shade(base, 0.9), width=2)
    elif ground == "brick":
        for row, y in enumerate(range(0, side, 30)):
            for x in range(-30 * (row % 2), side, 60):
                fill = _shade(base, rng.uniform(0.88, 1.12))
                pen.rectangle((x, y, x + 59, y + 29), fill=fill, outline=_shade(base, 1.5))
    else:
        for x, y in rng.integers(-40, side, (240, 2)).tolist():
            pen.line((x, y, x + 80, y + int(rng.integers(-14, 14))), fill=_shade(base, 1.12), width=4)
    return image


def _ground(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A random part of the scene's ground, at drawing scale."""
    side = SIDE * SCALE
    x, y = rng.integers(0, side, 2).tolist()
    return _texture(LOOKS[scene.domain], scene.ground).crop((x, y, x + side, y + side))


def _centres(group: Group, rng: np.random.Generator) -> Points:
    """Pixel centres of a group's things inside its place, a third by a half of the drawing, with jitter."""
    side = SIDE * SCALE
    cx, cy = (group.column + 0.5) * side / 3, (group.row + 0.5) * side / 2
    spread = {1: [(0, 0)], 2: [(-36, -50), (36, 50)], 3: [(-36, -74), (36, 0), (-36, 74)]}[group.count]
    wide, high = (5, 40) if group.size == "large" else (35, 70) if group.count == 1 else (2, 4)
    flip = 1 if rng.random() < 0.5 else -1
    return [(cx + flip * x + rng.uniform(-wide, wide), cy + y + rng.uniform(-high, high)) for x, y in spread]


def _placed(parts: list[Points], radius: float, x: float, y: float) -> list[Points]:
    return [[(x + radius * a, y + radius * b) for a, b in part] for part in parts]


@cache
def _fill(colour: str, look: str, side: int) -> Image.Image:
    """What a thing of this colour is filled with: light from the top left, or strokes of chalk."""
    down, across = np.mgrid[0:side, 0:side] / side
    if look == "daylight":
        light = 1.12 - 0.26 * (down + across) / 2
    else:
        light = np.where((down + across) * side % 10 < 5, 0.78, 0.6)
    filled = np.clip(light[..., None] * np.array(RGB[colour]), 0, 255)
    return Image.fromarray(filled.astype(np.uint8))


@cache
def _thing(noun: str, colour: str, size: str, look: str) -> Image.Image:
    """One thing with its outline, marks and shadow, RGBA, in the middle of a square."""
    radius, rgb = RADIUS[size], RGB[colour]
    side = 2 * int(1.3 * radius)
    bodies = _placed(BODIES[noun], radius, side / 2, side / 2)
    shape, shadow = Image.new("L", (side, side)), Image.new("L", (side, side))
    for polygon in bodies:
        ImageDraw.Draw(shape).polygon(polygon, fill=255)
    if look == "daylight":
        shadow.paste(110, (8, 10), shape)
        shadow = shadow.filter(ImageFilter.GaussianBlur(5))
    outline, mark = (
        (_shade(rgb, 0.35), _shade(rgb, 0.55)) if look == "daylight" else (_shade(rgb, 1.1), _shade(rgb, 1.1))
    )
    image = Image.new("RGBA", (side, side), (25, 25, 35, 0))
    image.putalpha(shadow)
    pen = ImageDraw.Draw(image)
    for polygon in bodies:
        pen.line([*polygon, *polygon[:2]], fill=outline, width=8 if look == "daylight" else 6, joint="curve")
    image.paste(_fill(colour, look, side), (0, 0), shape)
    for polygon in _placed(MARKS.get(noun, []), radius, side / 2, side / 2):
        pen.polygon(polygon, fill=mark)
    return image


def draw(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene as an RGB image of SIDE x SIDE pixels."""
    image = _ground(scene, rng)
    for group in scene.groups:
        thing = _thing(group.noun, group.colour, group.size, LOOKS[scene.domain])
        for x, y in _centres(group, rng):
            image.paste(thing, (round(x - thing.width / 2), round(y - thing.height / 2)), thing)
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)
