"""Images and results that lie in a device's block RAM, and what it counts while it runs them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.equality import stimuli

IMAGE_FILE = "stored_images.mem"
RESULT_FILE = "stored_results.mem"
_SEED = 0
_WORDS_BEFORE_RESULTS = 2  # of the memory that `vector_store` has them in


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a device counted while its network ran the stored images, one behind the other.

    Attributes:
        images: results that came.
        wrong_words: of results, that differ from the stored ones.
        first_cycles: from the first word that the network took to the last one of the first result.
        last_cycles: from the same to the last word of the last result.
        predicted_cycles: between images, as predicted.
        clock_hz: of the network, on the board.
    """

    images: int
    wrong_words: int
    first_cycles: int
    last_cycles: int
    predicted_cycles: int
    clock_hz: int

    @property
    def cycles_per_image(self) -> float:
        """Between two results, on average; of a single one, all that it took."""
        steady = self.last_cycles - self.first_cycles
        return steady / (self.images - 1) if self.images > 1 else self.last_cycles

    @property
    def images_per_s(self) -> float:
        """In the steady state, at the board's clock."""
        return self.clock_hz / self.cycles_per_image

    def line(self, subject: str) -> str:
        """What people are told."""
        cycles, wanted = self.cycles_per_image, self.predicted_cycles
        equal = "as predicted" if cycles == wanted else f"predicted {wanted:,}"
        return (
            f"{subject}, measured: {self.images:,} stored images, {self.wrong_words} wrong,"
            f" {cycles:,.6g} cycles an image ({equal}), {self.images_per_s:,.0f} images/s at"
            f" {self.clock_hz / 1e6:g} MHz; first result after {self.first_cycles:,} cycles"
        )


def memory_texts(
    design: Design, dataflow: Dataflow, images: int, words_before: int
) -> Mapping[str, str]:
    """Memory files of so many images, hard and random ones, and of their results.

    Args:
        design: the network.
        dataflow: of it: the judge of what is right.
        images: how many.
        words_before: of the memory that `frame_buffer` has the images in.
    """
    encoded = stimuli(dataflow, images, _SEED)
    results = design.pack_results(dataflow.results_of(encoded))
    return {
        IMAGE_FILE: _text(design.pack(encoded), design.input_width_bits, words_before),
        RESULT_FILE: _text(results, design.output_width_bits, _WORDS_BEFORE_RESULTS),
    }


def result_words(design: Design, images: int) -> int:
    """Words of the memory that has the results of so many images."""
    return _WORDS_BEFORE_RESULTS + images * design.output_beats


def _text(packed: NDArray[np.uint8], width_bits: int, zeros: int) -> str:
    """Words for $readmemh: of bytes (N, bytes), behind so many zeros."""
    words = packed.reshape(-1, width_bits // 8)[:, ::-1]
    lines = ["0" * (width_bits // 4)] * zeros + [word.tobytes().hex() for word in words]
    return "\n".join(lines) + "\n"
