"""The kernels of a network as calls between streams, one for every kernel."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.design import LEAST_FIFO_WORDS
from bnnedge.hardware.core import Placed, Source, sources_of
from bnnedge.hardware.kernels import (
    CreditGateKernel,
    Module,
    StreamFifoKernel,
    StreamLastKernel,
    StreamWidthConverterKernel,
    UnrolledKernel,
)
from bnnedge.vitis_hls.rom import Rom

INCLUDE_FOLDER = Path(__file__).parent / "include"


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


def build_top(
    network: Sequence[Placed],
    *,
    ports: tuple[str, str],
    words: int,
    last: StreamLastKernel | None = None,
    folder: Path | None = None,
) -> Top:
    """The calls of a network's kernels.

    A `stream_fifo` is no call: it is the depth of the stream that goes into it. Nor is a
    `credit_gate`, unless it narrows words: what is behind it can stop here.

    Args:
        network: each kernel behind those whose streams it takes.
        ports: names of the stream that the top function takes, and of the one that it gives.
        words: of an image, that it takes.
        last: what marks the end of an image behind them.
        folder: of memory files that hold for what the kernels say; None: there are none.
    """
    builder = _TopBuilder({ports[0]: words}, folder)
    # What none of the kernels gives is what the function takes.
    variables: dict[Source, str] = {}
    for index, placed in enumerate(network):
        inputs = tuple(variables.get(source, ports[0]) for source in placed.inputs)
        outputs: tuple[str, ...]
        kernel: Module = placed.kernel
        if isinstance(kernel, CreditGateKernel) and kernel.in_bits != kernel.out_bits:
            kernel = StreamWidthConverterKernel(
                input_width_bits=kernel.in_bits,
                output_width_bits=kernel.out_bits,
                frame_bits=kernel.out_bits,
            )
        if isinstance(kernel, CreditGateKernel):
            outputs = inputs
        elif isinstance(placed.kernel, StreamFifoKernel):
            outputs = inputs
            builder.deepen(inputs[0], placed.kernel.depth_words)
        else:
            several = len(placed.kernel.widths_out) > 1
            outputs = tuple(
                f"from_{placed.name}_{port}" if several else f"from_{placed.name}"
                for port in range(len(placed.kernel.widths_out))
            )
            builder.call(kernel, placed.name, inputs, outputs, placed.kernel.widths_out)
        if placed.resize is not None:
            name = f"{placed.name}_resize"
            resized = (f"from_{name}",)
            builder.call(placed.resize, name, outputs, resized, placed.widths_out)
            outputs = resized
        variables.update(zip(sources_of(index, placed), outputs, strict=True))
    if last is not None:
        width = network[-1].widths_out[0]
        builder.call(last, "last", outputs, ("from_last",), (width,), Width=width)
    return builder.finish(ports[1])


class _TopBuilder:
    """Collects calls in the order of the data.

    Args:
        words: of an image, by the stream that the top function takes.
        folder: see `build_top`.
    """

    def __init__(self, words: Mapping[str, int], folder: Path | None) -> None:
        self._folder = folder
        self._channels: dict[str, Channel] = {}
        self._words = dict(words)  # of an image, by the stream's variable
        self._calls: list[Call] = []
        self._roms: dict[str, Rom] = {}

    def finish(self, port: str) -> Top:
        """What was collected; the last call gives the stream `port`."""
        *calls, last = self._calls
        *streams, inner = last.streams
        calls.append(dataclasses.replace(last, streams=(*streams, port)))
        channels = (channel for channel in self._channels.values() if channel.name != inner)
        return Top(channels=tuple(channels), calls=tuple(calls), roms=tuple(self._roms.values()))

    def deepen(self, stream: str, words: int) -> None:
        """Give the stream the depth of a FIFO; the host's own stream has none."""
        if stream in self._channels:
            channel = self._channels[stream]
            self._channels[stream] = dataclasses.replace(channel, depth_words=words)

    def call(
        self,
        module: Module,
        name: str,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        widths: tuple[int, ...],
        **more: int,
    ) -> None:
        """Append a call and its outputs; `more` are parameters that only C++ has."""
        taken = [self._words[stream] for stream in inputs]
        frames = taken[0] // module.frame.taken[0]
        assert taken == [frames * words for words in module.frame.taken], (
            f"{name}: {taken} words of an image, {module.frame.taken} of a frame"
        )
        roms = roms_of(module, self._folder)
        self._roms.update({rom.name: rom for rom in roms if rom})
        self._calls.append(
            Call(
                module=module.module,
                name=name,
                arguments=template_arguments(module, Frames=frames, **more),
                streams=(*inputs, *outputs),
                roms=tuple(rom.name if rom else "bnnedge::no_rom" for rom in roms),
            )
        )
        for output, width, words in zip(outputs, widths, module.frame.given, strict=True):
            self._words[output] = frames * words
            self._channels[output] = Channel(
                name=output, width_bits=width, depth_words=LEAST_FIFO_WORDS
            )


def template_arguments(module: Module, **more: int) -> dict[str, int]:
    """Values of a function's template parameters, in the order of its header."""
    header = INCLUDE_FOLDER / "bnnedge" / f"{module.module}.hpp"
    assert header.is_file(), f"{module.module} has no twin in HLS"
    text = header.read_text(encoding="utf-8")
    declared = re.search(rf"template <([^>]*)>\s*void {module.module}\(", text)
    assert declared is not None, f"{module.module}.hpp declares no kernel"
    names = re.findall(r"(?:unsigned|int|bool) (\w+)", declared.group(1))
    values = {**module.defaults, **module.parameters, **more}
    return {name: int(values[name]) for name in names}


def roms_of(module: Module, folder: Path | None = None) -> tuple[Rom | None, ...]:
    """What a function reads, in the order of its arguments; `folder`: see `build_top`."""
    if isinstance(module, UnrolledKernel):
        folder = None  # in SystemVerilog they are logic
    return tuple(
        Rom(memory=memory if folder is None else memory.as_in(folder)) if memory else None
        for memory in module.memories
    )
