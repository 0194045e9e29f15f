"""The kernel graph of a Design as calls between streams, one for every kernel."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnedge.design import LEAST_FIFO_WORDS, Design
from bnnedge.vitis_hls.kernels import Parameters, frame_words, memories, template_arguments
from bnnedge.vitis_hls.memories import Rom

S_AXIS = "s_axis"
M_AXIS = "m_axis"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A stream between two calls.

    Attributes:
        name: of the variable.
        width_bits: of a word.
        depth_words: that it holds.
    """

    name: str
    width_bits: int
    depth_words: int


@dataclass(frozen=True, kw_only=True)
class Call:
    """A kernel between its streams.

    Attributes:
        module: the kernel.
        name: of the instance.
        arguments: values of its template parameters by their names, in their order.
        streams: names of its streams, inputs first.
        roms: names of its memories.
    """

    module: str
    name: str
    arguments: Mapping[str, int]
    streams: tuple[str, ...]
    roms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Top:
    """What the generated top function does.

    Attributes:
        channels: its streams.
        calls: in the order of the data.
        roms: the memories that the calls take.
    """

    channels: tuple[Channel, ...]
    calls: tuple[Call, ...]
    roms: tuple[Rom, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """The kernels that are called, in alphabetical order."""
        return tuple(sorted({call.module for call in self.calls}))

    @property
    def widest_bits(self) -> int:
        """Of all words that are handled at once, those inside of width converters among them."""
        converters = (c.arguments for c in self.calls if c.module == "stream_width_converter")
        return max(
            [
                *(channel.width_bits for channel in self.channels),
                *(numbers["InBits"] + numbers["OutBits"] for numbers in converters),
            ]
        )


def build_top(design: Design, folder: Path) -> Top:
    """The calls of a design whose RTL folder is `folder`.

    A `stream_fifo` is no call: it is the depth of the stream that goes into it.
    """
    builder = TopBuilder(folder, {S_AXIS: design.input_beats})
    # None is s_axis to those that read it, and what is behind the last kernel at the end.
    variables: dict[str | None, str] = {None: S_AXIS}
    for kernel in design.kernels:
        inputs = tuple(variables[stream] for stream in kernel.inputs)
        width = kernel.width_bits
        if kernel.resize is not None:
            width = int(kernel.resize["Elements"]) * int(kernel.resize["InBits"])
        outputs: tuple[str, ...]
        if kernel.depth_words is not None:
            outputs = inputs
            builder.deepen(inputs[0], kernel.depth_words)
        else:
            several = len(kernel.outputs) > 1
            outputs = tuple(
                f"from_{kernel.name}_{port}" if several else f"from_{kernel.name}"
                for port in range(len(kernel.outputs))
            )
            builder.call(kernel.module, kernel.name, kernel.parameters, inputs, outputs, width)
        if kernel.resize is not None:
            name = f"{kernel.name}_resize"
            resized = (f"from_{name}",)
            builder.call(
                "resize_elements", name, kernel.resize, outputs, resized, kernel.width_bits
            )
            outputs = resized
        variables.update(zip(kernel.outputs, outputs, strict=True))
    last = {"Width": design.output_width_bits, "Beats": design.output_beats}
    builder.call("stream_last", "last", last, (variables[None],), (M_AXIS,), None)
    return builder.top


class TopBuilder:
    """Collects calls in the order of the data.

    Args:
        folder: that the names of memory files are relative to.
        words: of an image, by the stream that the top function takes.
    """

    def __init__(self, folder: Path, words: Mapping[str, int]) -> None:
        self._folder = folder
        self._channels: dict[str, Channel] = {}
        self._words = dict(words)  # of an image, by the stream's variable
        self._calls: list[Call] = []
        self._roms: dict[str, Rom] = {}

    @property
    def top(self) -> Top:
        """What was collected."""
        return Top(
            channels=tuple(self._channels.values()),
            calls=tuple(self._calls),
            roms=tuple(self._roms.values()),
        )

    def deepen(self, stream: str, words: int) -> None:
        """Give the stream the depth of a FIFO; the host's own stream has none."""
        if stream != S_AXIS:
            channel = self._channels[stream]
            self._channels[stream] = dataclasses.replace(channel, depth_words=words)

    def call(
        self,
        module: str,
        name: str,
        parameters: Parameters,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        width_bits: int | None,
    ) -> None:
        """Append a call and its outputs; `width_bits` None: they are ports."""
        numbers = {key: value for key, value in parameters.items() if isinstance(value, int)}
        taken, given = frame_words(module, numbers)
        frames, rest = divmod(self._words[inputs[0]], taken)
        assert not rest, f"{name}: {self._words[inputs[0]]} words of an image, {taken} of a frame"
        roms = memories(module, parameters, self._folder)
        self._roms.update({rom.name: rom for rom in roms if rom})
        self._calls.append(
            Call(
                module=module,
                name=name,
                arguments=template_arguments(module, {**parameters, "Frames": frames}),
                streams=(*inputs, *outputs),
                roms=tuple(rom.name if rom else "bnnedge::no_rom" for rom in roms),
            )
        )
        for output in outputs:
            self._words[output] = frames * given
            if width_bits is not None:
                self._channels[output] = Channel(
                    name=output, width_bits=width_bits, depth_words=LEAST_FIFO_WORDS
                )
