"""Constants of channels have as many axes as the feature map that they go with."""

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation


class AlignChannelConstants(Transformation):
    """Mul or Add of a feature map (N, C, H, W) and a constant (C, 1, 1): that becomes (1, C, 1, 1).

    ONNX aligns axes from the last one on. FINN's AbsorbAddIntoMultiThreshold takes such a constant
    for (N, W, C), finds one channel, and leaves the node where it is.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Reshape the constants that one node alone reads."""
        for node in model.graph.node:
            if node.op_type not in ("Mul", "Add"):
                continue
            constant = model.get_initializer(node.input[1])
            shape = model.get_tensor_shape(node.output[0])
            if constant is None or shape is None or len(shape) != 4 or constant.ndim != 3:
                continue
            if len(model.find_consumers(node.input[1])) == 1 and constant.size == len(constant):
                model.set_initializer(node.input[1], constant.reshape(1, -1, 1, 1))
        return model, False
