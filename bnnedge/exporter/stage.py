"""The stage: checkpoint folder in, checked QONNX model out."""

from pathlib import Path

from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact
from bnnedge.errors import CheckpointError
from bnnedge.exporter.facts import EXPORT, MADE, REFERENCE_FILE, ExportFacts
from bnnedge.files import is_file
from bnnedge.progress import Progress, silent
from bnnedge.tools import python_versions

MODEL = "model.onnx"


@checked
def export(checkpoint: Path, out: Path, *, progress: Progress = silent) -> Artifact[ExportFacts]:
    """Export a trained network as QONNX and compare it with PyTorch, bit for bit.

    The folder `out` holds

    * `model.onnx`: see `bnnedge.exporter.onnx_model.to_qonnx`;
    * `reference.npz`: what later stages are compared with: `inputs` float32 (N, *input_shape),
      the test set followed by adversarial inputs; `labels` int64 (N,), −1 for the latter;
      `accumulators` int32 (N, classes), the last layer's; `logits` float32 (N, classes).
      The last two are PyTorch's.

    Args:
        checkpoint: the folder of a checkpoint, or `checkpoint.pt` in it.
        out: folder to publish.
        progress: called at each step.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        ExportError: a layer computes with real numbers, or holds NaN or infinity; or the graph and
            PyTorch differ. Names the layer, the channel and the value.
    """
    if is_file(checkpoint):
        checkpoint = checkpoint.parent
    if not checkpoint.is_dir():
        raise CheckpointError(
            f"{checkpoint} is not a folder", remedy="give the folder that `bnnedge train` wrote"
        )
    return EXPORT.publish(
        out,
        lambda folder: _export(checkpoint, folder, progress),
        config={},
        inputs=(checkpoint,),
        tools=lambda: python_versions("torch", "brevitas", "onnx", "onnxruntime", "qonnx"),
    )


def _export(source: Path, folder: Path, progress: Progress) -> ExportFacts:
    import numpy as np
    import onnx

    from bnnedge.exporter.check import compare_norms, compare_streams
    from bnnedge.exporter.onnx_model import describe, to_qonnx
    from bnnedge.exporter.reference import adversarial_inputs
    from bnnedge.exporter.remarks import remarks
    from bnnedge.models.checkpoint import load_checkpoint, load_test_set

    progress("reading the checkpoint", 0.0)
    checkpoint = load_checkpoint(source)
    model = checkpoint.model
    images, labels = load_test_set(source, checkpoint)
    progress("writing QONNX", 0.1)
    graph = to_qonnx(model)
    describe(graph, checkpoint.name, checkpoint.meaning)
    adversarial = adversarial_inputs(
        input_shape=model.input_shape,
        encoding=model.input_encoding,
        input_range=checkpoint.input_range,
        first_weights=model.probe_weights().numpy(),
    )
    inputs = np.concatenate([images, adversarial])
    progress("comparing every threshold decision", 0.2)
    norms = compare_norms(model, graph)
    progress("comparing every layer's output", 0.4)
    compared = compare_streams(model, graph, inputs)
    logits = compared.logits[: len(labels)]
    progress("saving", 0.95)
    onnx.save(graph, folder / MODEL)
    np.savez_compressed(
        folder / REFERENCE_FILE,
        inputs=inputs,
        labels=np.concatenate([labels, np.full(len(adversarial), MADE, np.int64)]),
        accumulators=compared.accumulators,
        logits=compared.logits,
    )
    return ExportFacts(
        test_images=len(images),
        adversarial_inputs=len(adversarial),
        numbers_compared=compared.numbers,
        channel_accumulator_pairs_compared=norms.pairs,
        test_accuracy=float((logits.argmax(1) == labels).mean()),
        remarks=tuple(remarks(model, norms.ties, logits)),
    )
