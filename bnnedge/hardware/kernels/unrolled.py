"""Kernels whose weights are logic: a `Graph`, written as a module of its own."""

import functools
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeVar

import numpy as np

from bnnedge.cost import Cost, Prices
from bnnedge.dataflow.encoding import Bits
from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.hardware.kernels.base import Frame
from bnnedge.hardware.kernels.memory import bits_of
from bnnedge.hardware.kernels.node_kernel import NodeKernel
from bnnedge.hardware.unrolled import interpreter
from bnnedge.hardware.unrolled.graph import Graph
from bnnedge.hardware.unrolled.verilog import SUBMODULES, pipeline_text

N = TypeVar("N", bound=BaseNode)


class UnrolledKernel(NodeKernel[N]):
    """A node that takes and gives a pixel in every clock cycle.

    Its module in SystemVerilog is generated and has no parameters; `parameters` and `memories` are
    those of its function in C++.

    Attributes:
        node: the node.
        pixels: output pixels of an image.
    """

    submodules: ClassVar[tuple[str, ...]] = SUBMODULES

    node: N
    pixels: int

    @functools.cached_property
    @abstractmethod
    def graph(self) -> Graph:
        """What it computes of a pixel's bits."""

    @property
    @abstractmethod
    def probes(self) -> Bits:
        """Inputs (N, in_bits) on which the graph must do what the node does."""

    @property
    def in_bits(self) -> int:
        return len(self.graph.inputs)

    @property
    def out_bits(self) -> int:
        return len(self.graph.outputs)

    @property
    def frame(self) -> Frame:
        return Frame.of(1, 1)

    @property
    def cycles_per_image(self) -> int:
        return self.pixels

    @property
    def latency_cycles(self) -> int:
        return self.graph.latency

    @property
    def memory_texts(self) -> Mapping[str, str]:
        """None: in SystemVerilog, what memories hold is logic; only C++ reads them."""
        return {}

    def cost(self, prices: Prices) -> Cost:
        return Cost(combs=self.graph.combs)

    def text(self, module: str) -> str:
        """Its SystemVerilog, as a module of this name, once the graph did what the node does."""
        probes = self.probes
        wanted = self.node.run(probes).astype(np.int64)
        width = self.out_bits // wanted.shape[1]
        found = interpreter.run(self.graph, probes).reshape(*wanted.shape, width)
        assert (found == bits_of(wanted, width)).all(), f"{module}: a graph differs from its node"
        return pipeline_text(self.graph, module, f"Generated: {self.module} of constants.")
