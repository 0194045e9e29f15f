"""Nodes that fork, join, add and concatenate streams, pool windows and find classes."""

import math
from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.concat import StreamingConcat
from finn.custom_op.fpgadataflow.duplicatestreams import DuplicateStreams
from finn.custom_op.fpgadataflow.elementwise_binary import ElementwiseAdd
from finn.custom_op.fpgadataflow.labelselect import LabelSelect
from finn.custom_op.fpgadataflow.pool import Pool
from finn.custom_op.fpgadataflow.rtl import register_custom_op
from qonnx.core.datatype import BaseDataType, DataType

from bnnedge.dataflow import ElementType, Window
from bnnedge.errors import DesignError
from bnnedge.finn_backend.ops.base import KernelOp, element_type
from bnnedge.finn_backend.wrapper import Hardware, Input, in_stream
from bnnedge.hardware.core import Placed, Source
from bnnedge.hardware.kernels import (
    AddKernel,
    ArgMaxKernel,
    ConcatKernel,
    PoolKernel,
    PoolKind,
    ResizeElementsKernel,
    StreamForkKernel,
    StreamWidthConverterKernel,
    TopKKernel,
)


class _IntegerOp(KernelOp):
    """A node on integers or ±1."""

    @property
    def refusal(self) -> str | None:
        streams = self.get_verilog_top_module_intf_names()["s_axis"]
        types = [self.get_input_datatype(index) for index in range(len(streams))]
        refused = [datatype.name for datatype in types if element_type(datatype) is None]
        return f"elements of type {refused[0]}" if refused else None

    def _element(self, index: int = 0) -> ElementType:
        element = element_type(self.get_input_datatype(index))
        assert element is not None  # `refusal` came first
        return element

    def _words(self) -> int:
        """Words of an output."""
        return math.prod(self.get_folded_output_shape()[:-1])


@register_custom_op
class DuplicateStreams_rtl(_IntegerOp, DuplicateStreams):  # noqa: N801
    """FINN's DuplicateStreams on `stream_fork`, one behind the other for more than two outputs."""

    def hardware(self, model: Any, memory_prefix: str) -> Hardware:
        """A fork for every output but one; see `KernelOp.hardware`."""
        width, forks = self.get_instream_width(), self.get_num_output_streams() - 1
        network = tuple(
            Placed(
                name=f"fork_{index}",
                kernel=StreamForkKernel(width_bits=width, image_words=self._words()),
                inputs=(Source(kernel=index - 1, port=1) if index else in_stream(0),),
            )
            for index in range(forks)
        )
        return Hardware(
            inputs=(Input(width_bits=width),),
            network=network,
            outputs=(
                *(Source(kernel=index) for index in range(forks)),
                Source(kernel=forks - 1, port=1),
            ),
        )

    def get_number_output_values(self) -> dict[str, int]:
        """Words of every output, by its name."""
        return {f"out{index}": self._words() for index in range(len(self.onnx_node.output))}


@register_custom_op
class StreamingConcat_rtl(_IntegerOp, StreamingConcat):  # noqa: N801
    """FINN's StreamingConcat on `concat`, one behind the other for more than two inputs."""

    @property
    def refusal(self) -> str | None:
        """±1 beside other types would need another type than FINN gives it."""
        types = self.get_nodeattr("inputDataTypes")
        if "BIPOLAR" in types and set(types) != {"BIPOLAR"}:
            return f"a concatenation of {', '.join(types)}"
        return super().refusal

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """The inputs' own type, where they have one in common, else FINN's."""
        same = len(set(self.get_nodeattr("inputDataTypes"))) == 1
        return self.get_input_datatype(0) if same else super().get_output_datatype(ind)

    def hardware(self, model: Any, memory_prefix: str) -> Hardware:
        """Inputs as wide as the output's elements, joined; see `KernelOp.hardware`."""
        simd, bits = self.get_nodeattr("SIMD"), self.get_output_datatype().bitwidth()
        words = [channels // simd for channels in self.get_nodeattr("ChannelsPerStream")]
        network = tuple(
            Placed(
                name=f"concat_{index}",
                kernel=ConcatKernel(
                    width_bits=simd * bits,
                    a_words=sum(words[: index + 1]),
                    b_words=words[index + 1],
                    pixels=math.prod(self.get_nodeattr("numInputVectors")),
                ),
                inputs=(
                    Source(kernel=index - 1) if index else in_stream(0),
                    in_stream(index + 1),
                ),
            )
            for index in range(len(words) - 1)
        )
        return Hardware(
            inputs=tuple(_widened(self._element(i), simd, bits) for i in range(len(words))),
            network=network,
            outputs=(Source(kernel=len(network) - 1),),
        )


@register_custom_op
class IntegerAdd_rtl(_IntegerOp, ElementwiseAdd):  # noqa: N801
    """FINN's ElementwiseAdd of two streams of integers or ±1 on `add`."""

    @property
    def refusal(self) -> str | None:
        """Constants and broadcasts."""
        if "const" in (self.lhs_style, self.rhs_style):
            return "additions of constants"
        if list(self.lhs_shape) != list(self.rhs_shape):
            return "broadcasts"
        return super().refusal

    def hardware(self, model: Any, memory_prefix: str) -> Hardware:
        """One adder a lane; see `KernelOp.hardware`."""
        a, b = self._element(0), self._element(1)
        low, high = self._range()
        total = ElementType.holding(low, high)
        result = element_type(self.out_dtype)
        if result is None or low < result.smallest or high > result.largest:
            raise DesignError(
                f"{self.onnx_node.name}: wanted an output type for {low} ... {high},"
                f" got {self.out_dtype.name}",
                remedy="run MinimizeAccumulatorWidth",
            )
        add = AddKernel(
            a=a,
            b=b,
            result_bits=total.width_bits,
            lanes=self.pe,
            image_words=self._words(),
        )
        placed = Placed(
            name="add",
            kernel=add,
            inputs=(in_stream(0), in_stream(1)),
            resize=ResizeElementsKernel(
                elements=self.pe,
                in_bits=total.width_bits,
                out_bits=result.width_bits,
                signed=True,
            ),
        )
        return Hardware(
            inputs=tuple(Input(width_bits=width) for width in add.widths_in),
            network=(placed,),
            outputs=(Source(kernel=0),),
        )

    def _derive_out_dtype(self, model: Any) -> BaseDataType:
        """The narrowest type that holds every sum; FINN's INT2 does not hold 1 + 1 of two ±1."""
        low, high = self._range()
        bits = ElementType.holding(low, high).width_bits
        return DataType[f"INT{bits}" if low < 0 else f"UINT{bits - 1}"]

    def _range(self) -> tuple[int, int]:
        """The least and the greatest sum."""
        a, b = self._element(0), self._element(1)
        return a.least + b.least, a.most + b.most


@register_custom_op
class Pool_rtl(_IntegerOp, Pool):  # noqa: N801
    """FINN's Pool, a maximum over the words of a window, on `pool`."""

    @property
    def refusal(self) -> str | None:
        """Sums and means."""
        function = self.get_nodeattr("Function")
        return super().refusal if function == "MaxPool" else f"the pool function {function}"

    def hardware(self, model: Any, memory_prefix: str) -> Hardware:
        """A row of the kernel's feature map is a window; see `KernelOp.hardware`."""
        element, lanes = self._element(), self.get_nodeattr("PE")
        taps = math.prod(self.get_nodeattr("KernelSize"))
        integers = PoolKind.SIGNED_MAX if element.signed else PoolKind.UNSIGNED_MAX
        bits = element.width_bits == 1
        kernel = PoolKernel(
            name=self.onnx_node.name,
            kind=PoolKind.BITS if bits else integers,
            window=Window(kernel=(1, taps), stride=(1, taps)),
            shape=(self._words(), taps, lanes),
            conjunction=np.zeros(lanes, np.bool_) if bits else None,
            element_bits=element.width_bits,
            result_bits=element.width_bits,
            lanes=lanes,
            memory_prefix=memory_prefix,
        )
        return Hardware(
            inputs=(Input(width_bits=kernel.in_bits),),
            network=(Placed(name="pool", kernel=kernel, inputs=(in_stream(0),)),),
            outputs=(Source(kernel=0),),
        )


@register_custom_op
class LabelSelect_rtl(_IntegerOp, LabelSelect):  # noqa: N801
    """FINN's LabelSelect on `arg_max`, or `top_k`; the lower index first among equals."""

    def get_exp_cycles(self) -> int:
        """`top_k` takes one number a cycle, whatever PE is."""
        return int(
            self.get_nodeattr("Labels") if self.get_nodeattr("K") > 1 else super().get_exp_cycles()
        )

    def hardware(self, model: Any, memory_prefix: str) -> Hardware:
        """Signed numbers in, indices out; see `KernelOp.hardware`."""
        element, labels = self._element(), self.get_nodeattr("Labels")
        pe, k = self.get_nodeattr("PE"), self.get_nodeattr("K")
        bits = element.width_bits + (not element.signed)
        numbers = Source(kernel=-1)
        network = []
        if k > 1 and pe > 1:
            narrow = StreamWidthConverterKernel(
                input_width_bits=pe * bits, output_width_bits=bits, frame_bits=labels * bits
            )
            network.append(Placed(name="narrow", kernel=narrow, inputs=(in_stream(0),)))
            numbers = Source(kernel=0)
        kernel = (
            ArgMaxKernel(elements=labels, pe=pe, element_bits=bits)
            if k == 1
            else TopKKernel(elements=labels, k=k, element_bits=bits)
        )
        result = self.get_output_datatype()
        if result.signed() or result.bitwidth() < kernel.out_bits:
            raise DesignError(
                f"{self.onnx_node.name}: wanted an unsigned output type of"
                f" {kernel.out_bits} bits or more, got {result.name}"
            )
        resize = ResizeElementsKernel(
            elements=1, in_bits=kernel.out_bits, out_bits=result.bitwidth(), signed=False
        )
        network.append(Placed(name="select", kernel=kernel, inputs=(numbers,), resize=resize))
        return Hardware(
            inputs=(_widened(element, pe, bits),),
            network=tuple(network),
            outputs=(Source(kernel=len(network) - 1),),
        )


def _widened(element: ElementType, lanes: int, bits: int) -> Input:
    """A stream whose elements become `bits` bits wide."""
    width = lanes * element.width_bits
    if element.width_bits == bits:
        return Input(width_bits=width)
    resize = ResizeElementsKernel(
        elements=lanes, in_bits=element.width_bits, out_bits=bits, signed=element.signed
    )
    return Input(width_bits=width, resize=resize)
