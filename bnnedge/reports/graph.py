"""The picture of a network: a box for every node, an arrow for every stream, from top to bottom."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnnedge.findings import Layer, Link, Pipeline
from bnnedge.reports.figures import FoldPicture, fold_picture
from bnnedge.reports.layout import lay_out

# In SVG user units, which are CSS pixels where there is room.
_BOX_WIDTH = 420.0
_LINE = 16.0  # of text
_PADDING = 12.0
_GAP = 34.0  # between rows
_MARGIN = 14.0  # around the chip, and in it
_STREAM = 26.0  # from the left edge of a column to its arrows
_PORT = 22.0  # between arrows at the right end of a box
_LANE_WIDTH = 215.0
_COLUMN_GAP = 28.0
_FOLD = 48.0
_HEAD = 7.0
_NAME_CHARACTER = 7.4  # width of one, about
_CHARACTER = 6.0
_ASIDE = 11.0  # from an arrow to its label
_PART = 350.0  # several on a page
_HOST, _ANSWER = "in", "out"
_TIMES = " \u00d7 "

_Edge = tuple[str, int]  # the reader, and the number of its input


@dataclass(frozen=True, kw_only=True)
class Box:
    """A node.

    Attributes:
        x, y: of the upper left corner.
        width, height: of the box.
        title: what to call it in full.
        texts: lines of (left, right), cut to their places.
        text_right: where the right ones end.
        fold: of a matrix-vector unit, at the right end.
        bottleneck: no layer takes longer.
        host: not on the chip.
    """

    x: float
    y: float
    width: float
    height: float
    title: str
    texts: tuple[tuple[str, str], ...]
    text_right: float
    fold: FoldPicture | None = None
    bottleneck: bool = False
    host: bool = False


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A stream.

    Attributes:
        points: from the source's lower edge to the tip. Between rows it may move aside, beside them
            it goes straight down.
        thickness: grows with the logarithm of the width.
        label: width and elements.
        label_x, label_y: where the label begins.
    """

    points: tuple[tuple[float, float], ...]
    thickness: float
    label: str
    label_x: float
    label_y: float

    @property
    def path(self) -> str:
        """As SVG path data, up to the head."""
        (x, y), *rest = self.points
        parts = [f"M{x:g} {y:g}"]
        for number, (to_x, to_y) in enumerate(rest):
            if number == len(rest) - 1:
                to_y -= _HEAD
            middle = (y + to_y) / 2
            curve = f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
            parts.append(f"V{to_y:g}" if to_x == x else curve)
            x, y = to_x, to_y
        return "".join(parts)

    def crosses(self, top: float, bottom: float) -> bool:
        """Whether some of it is between two heights."""
        return self.points[0][1] < bottom and self.points[-1][1] > top

    @property
    def head(self) -> str:
        """The tip as SVG path data."""
        x, y = self.points[-1]
        half = max(4.0, self.thickness)
        return f"M{x - half:g} {y - _HEAD - 1:g}H{x + half:g}L{x:g} {y:g}Z"


@dataclass(frozen=True, kw_only=True)
class GraphPicture:
    """All of it, in a view box from (0, 0).

    Attributes:
        width, height: of the view box.
        parts: from y to y, one behind the other, to be printed on several pages; each ends below a
            row.
        chip: x, y, width and height of what is behind the layers.
        boxes: the host's input, the layers in their order, the host's answer.
        arrows: streams, in the order of their readers.
        description: the graph in words.
    """

    width: float
    height: float
    parts: tuple[tuple[float, float], ...]
    chip: tuple[float, float, float, float]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    description: str


def draw(pipeline: Pipeline) -> GraphPicture:
    """Lay a network out; only arrows may cross each other, between rows."""
    links: dict[str, Sequence[Link]] = {_HOST: ()}
    links |= {_key(layer.name): layer.inputs for layer in pipeline.layers}
    links[_ANSWER] = (pipeline.output,)
    frame = _Frame(links, _contents(pipeline))
    boxes = frame.boxes
    top = boxes[_HOST].y + boxes[_HOST].height + _MARGIN
    bottom = boxes[_ANSWER].y - _MARGIN
    return GraphPicture(
        width=frame.width,
        height=frame.height,
        parts=frame.parts(),
        chip=(1, top, frame.width - 2, bottom - top),
        boxes=tuple(boxes.values()),
        arrows=frame.arrows(),
        description="; ".join(
            f"{reader} reads {' and '.join(_name(link) for link in read)}"
            for reader, read in (
                *((layer.name, layer.inputs) for layer in pipeline.layers),
                ("the host", (pipeline.output,)),
            )
        ),
    )


def _key(name: str | None) -> str:
    """Of a box; the host's are no layer's name."""
    return _HOST if name is None else f"layer {name}"


def _name(link: Link) -> str:
    return "the input" if link.source is None else link.source


def _contents(pipeline: Pipeline) -> Mapping[str, Box]:
    """Every box, not yet in its place."""
    slowest = max((layer.predicted_cycles for layer in pipeline.layers), default=0)
    sides = [side for layer in pipeline.layers for side in (layer.rows, layer.columns) if side]
    values = f"{pipeline.inputs:,} values → {pipeline.input_bits:,} bits"
    boxes = {_HOST: _box("Host", (("Host", values), (pipeline.encoding, "")), host=True)}
    for layer in pipeline.layers:
        slow = layer.predicted_cycles == slowest
        boxes[_key(layer.name)] = _layer_box(layer, slow, max(sides, default=1))
    boxes[_ANSWER] = _box("Host", (("Host", ""), (pipeline.answer, "")), host=True)
    return boxes


def _layer_box(layer: Layer, slow: bool, largest: int) -> Box:
    kernel = layer.kernel
    if layer.thresholded is not None:
        kernel += ", thresholds" if layer.thresholded else ", accumulators"
    cycles = f"{layer.predicted_cycles:,} cycle{'' if layer.predicted_cycles == 1 else 's'}"
    texts = [
        (layer.name, f"bottleneck: {cycles}" if slow else cycles),
        (kernel, _TIMES.join(f"{size:,}" for size in layer.shape)),
    ]
    fold = None
    if layer.rows and layer.columns and layer.pe and layer.simd:
        matrix = f"{layer.rows:,}{_TIMES}{layer.columns:,}, PE {layer.pe}{_TIMES}SIMD {layer.simd}"
        kept = "" if layer.weight_bits is None else f"{layer.weight_bits:,} bits kept"
        if layer.weight_bits == 0:
            kept = "weights are logic"
        texts.append((matrix, kept))
        fold = fold_picture(
            rows=layer.rows,
            columns=layer.columns,
            pe=layer.pe,
            simd=layer.simd,
            largest=largest,
            size=_FOLD,
        )
    title = f"{layer.name}: {layer.kernel}"
    return _box(title, tuple(texts), fold=fold, bottleneck=slow)


def _box(
    title: str,
    texts: tuple[tuple[str, str], ...],
    *,
    fold: FoldPicture | None = None,
    bottleneck: bool = False,
    host: bool = False,
) -> Box:
    text_right = _BOX_WIDTH - _PADDING - (0 if fold is None else _FOLD + _PADDING)
    return Box(
        x=0,
        y=0,
        width=_BOX_WIDTH,
        height=_LINE * len(texts) + 14,
        title=title,
        texts=tuple(
            (_cut(left, (text_right - 2 * _PADDING) / character - len(right)), right)
            for (left, right), character in zip(
                texts, [_NAME_CHARACTER, *[_CHARACTER] * (len(texts) - 1)], strict=True
            )
        ),
        text_right=text_right,
        fold=fold,
        bottleneck=bottleneck,
        host=host,
    )


def _cut(text: str, room: float) -> str:
    """Text of more characters than there is room for, without its middle."""
    most = max(6, int(room))
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def _label(link: Link) -> str:
    text = f"{link.width_bits:,} bit{'' if link.width_bits == 1 else 's'}"
    if link.elements is not None:
        text += f" · {link.elements:,}{_TIMES}{link.element or 'elements'}"
    return text


class _Frame:
    """Where rows and columns are, and what stands in them."""

    def __init__(self, links: Mapping[str, Sequence[Link]], contents: Mapping[str, Box]) -> None:
        self._links = links
        self._sources = {name: [_key(link.source) for link in read] for name, read in links.items()}
        self._layout = lay_out(self._sources)
        self._measure_rows(contents)
        self._measure_columns()
        rows, columns = self._layout.rows, self._layout.columns
        self.boxes = {
            name: dataclasses.replace(box, x=self._lefts[columns[name]], y=self._tops[rows[name]])
            for name, box in contents.items()
        }

    def _measure_rows(self, contents: Mapping[str, Box]) -> None:
        rows = self._layout.rows
        last = max(rows.values())
        self._tops, self._bottoms = [1.0], []
        for row in range(last + 1):
            height = max(box.height for name, box in contents.items() if rows[name] == row)
            self._bottoms.append(self._tops[row] + height)
            ends_chip = row in (0, last - 1)
            self._tops.append(self._bottoms[row] + _GAP + (_MARGIN if ends_chip else 0))

    def _measure_columns(self) -> None:
        with_boxes = set(self._layout.columns.values())
        last = max([*with_boxes, *self._layout.lanes.values()])
        self._lefts = [_MARGIN]
        for column in range(last + 1):
            width = _BOX_WIDTH if column in with_boxes else _LANE_WIDTH
            self._lefts.append(self._lefts[column] + width + _COLUMN_GAP)
        self.width = self._lefts[-1] - _COLUMN_GAP + _MARGIN

    @property
    def height(self) -> float:
        return self._bottoms[-1] + 1

    def parts(self) -> tuple[tuple[float, float], ...]:
        """From y to y."""
        cuts = [bottom + 3 for bottom in self._bottoms[:-1]]
        ends = [0.0]
        for cut, following in itertools.pairwise([*cuts, self.height]):
            if following - ends[-1] > _PART:
                ends.append(cut)
        return tuple(itertools.pairwise([*ends, self.height]))

    def arrows(self) -> tuple[Arrow, ...]:
        """One for each link."""
        edges = [
            (name, number) for name, read in self._links.items() for number in range(len(read))
        ]
        leaving: dict[str, list[_Edge]] = {name: [] for name in self._links}
        for edge in edges:
            leaving[self._source(edge)].append(edge)
        starts: dict[_Edge, float] = {}
        ends: dict[_Edge, float] = {}
        for name, box in self.boxes.items():
            below = {edge: self._column(edge, edge[0]) for edge in leaving[name]}
            above = {
                edge: self._column(edge, self._source(edge)) for edge in edges if edge[0] == name
            }
            starts |= _ports(box, below)
            ends |= _ports(box, above)
        return tuple(self._arrow(edge, starts[edge], ends[edge]) for edge in edges)

    def _source(self, edge: _Edge) -> str:
        name, number = edge
        return self._sources[name][number]

    def _column(self, edge: _Edge, end: str) -> int:
        """Where an edge comes from or goes to, seen from its other end."""
        return self._layout.lanes.get(edge, self._layout.columns[end])

    def _arrow(self, edge: _Edge, start: float, end: float) -> Arrow:
        target, number = edge
        source = self._source(edge)
        box = self.boxes[source]
        below, above = self._layout.rows[source], self._layout.rows[target]
        points = [(start, box.y + box.height), (start, self._bottoms[below])]
        link = self._links[target][number]
        text = _label(link)
        lane = self._layout.lanes.get(edge)
        if lane is not None:
            x = self._lefts[lane] + _STREAM
            points += [(x, self._tops[below + 1]), (x, self._bottoms[above - 1])]
            label = (x + _ASIDE, self._tops[below + 1] + _LINE)
        elif end == self.boxes[target].x + _STREAM and target != _ANSWER:
            label = (end + _ASIDE, self._tops[above] - _GAP / 2)
        elif start == box.x + _STREAM:
            label = (start + _ASIDE, self._bottoms[below] + _GAP / 2)
        else:
            label = (end - _ASIDE - _CHARACTER * len(text), self._tops[above] - _GAP / 2)
        return Arrow(
            points=(*points, (end, self._tops[above])),
            thickness=min(7.0, 1 + 0.5 * link.width_bits.bit_length()),
            label=text,
            label_x=label[0],
            label_y=label[1],
        )


def _ports(box: Box, columns: Mapping[_Edge, int]) -> Mapping[_Edge, float]:
    """Where edges meet a box: the leftmost near its left end, the others at its right end."""
    edges = sorted(columns, key=lambda edge: columns[edge])
    right = box.x + box.width
    ports = [box.x + _STREAM, *(right - _PORT * (len(edges) - i) for i in range(1, len(edges)))]
    return dict(zip(edges, ports, strict=False))
