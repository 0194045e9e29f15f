"""What is known of HLS C++ when it has been written, and perhaps run."""

from dataclasses import dataclass

from bnnedge.stages import Stage


@dataclass(frozen=True, kw_only=True)
class HlsFacts:
    """The C++ of a network.

    Attributes:
        kernels: calls of them.
        streams: between them.
        memory_bits: of weights and thresholds.
        checked_images: whose results equal the Dataflow's; None: it was not run.
        compile_s: seconds that g++ took.
        run_s: seconds that the images took.
    """

    kernels: int
    streams: int
    memory_bits: int
    checked_images: int | None = None
    compile_s: float | None = None
    run_s: float | None = None


HLS = Stage(
    kind="hls",
    facts=HlsFacts,
    rooms=("vitis_hls",),
)
