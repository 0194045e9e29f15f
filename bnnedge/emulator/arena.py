"""The memory of one block of images: streams that are not needed at the same time share it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bnnedge.dataflow import Stream
from bnnedge.emulator.library import Variant

ALIGNMENT = 64


@dataclass(kw_only=True, eq=False)
class Buffer:
    """A stream of one block of images in the arena.

    Attributes:
        stream: its type.
        bytes: its size.
        planar: integers are [lane][element] instead of [element][lane].
        last_use: number of the last operation that reads it.
        offset: in the arena, in bytes.
    """

    stream: Stream
    bytes: int
    planar: bool = False
    last_use: int = -1
    offset: int = 0

    @classmethod
    def of(cls, stream: Stream, variant: Variant) -> "Buffer":
        """A buffer for a stream."""
        if stream.element.bipolar:
            units = stream.pixels * variant.units(stream.channels)
            return cls(stream=stream, bytes=units * variant.lanes * variant.unit_bits // 8)
        return cls(stream=stream, bytes=stream.elements * variant.lanes * 4)


def place(first: Buffer, operations: Sequence[tuple[Sequence[Buffer], Buffer]]) -> int:
    """Give every buffer its place; returns the bytes of all, aligned.

    Args:
        first: what is there before any operation.
        operations: what each reads and what it makes, in order; a buffer with a `last_use` behind
            the operations that read it stays.
    """
    placed: list[Buffer] = []

    def put(buffer: Buffer, number: int) -> None:
        living = sorted((b.offset, b.offset + b.bytes) for b in placed if b.last_use >= number)
        for low, high in living:
            if buffer.offset + buffer.bytes <= low:
                break
            buffer.offset = max(buffer.offset, -(-high // ALIGNMENT) * ALIGNMENT)
        placed.append(buffer)

    for number, (sources, _) in enumerate(operations):
        for source in sources:
            source.last_use = max(source.last_use, number)
    put(first, 0)
    for number, (_, target) in enumerate(operations):
        put(target, number)
    end = max(buffer.offset + buffer.bytes for buffer in placed)
    return -(-end // ALIGNMENT) * ALIGNMENT
