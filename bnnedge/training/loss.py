"""Losses on logits."""

from torch import Tensor
from torch.nn import functional

from bnnedge.training.config import DistillConfig, Loss, TrainingConfig


def label_loss(logits: Tensor, labels: Tensor, config: TrainingConfig) -> Tensor:
    """Mean loss of logits (N, K) against labels int64 (N,).

    The squared hinge is max(0, 1 − t·y)² with t = ±1 for the right and the wrong classes, summed
    over classes: the loss of "Binarized Neural Networks" (Hubara et al. 2016, section 2).
    """
    if config.loss is Loss.CROSS_ENTROPY:
        return functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    right = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    margin = 1 - (2 * right - 1) * logits
    return margin.clamp(min=0).square().sum(1).mean()


def distillation_loss(logits: Tensor, teacher: Tensor, config: DistillConfig) -> Tensor:
    """T² · KL(teacher ‖ student), both softened by the temperature T; logits (N, K) each.

    "Distilling the Knowledge in a Neural Network" (Hinton et al. 2015, section 2); the factor T²
    keeps the gradients' size independent of the temperature.
    """
    student = functional.log_softmax(logits / config.temperature, 1)
    target = functional.log_softmax(teacher / config.temperature, 1)
    divergence = functional.kl_div(student, target, reduction="batchmean", log_target=True)
    return divergence * config.temperature**2


def total_loss(
    logits: Tensor, labels: Tensor, teacher: Tensor | None, config: TrainingConfig
) -> Tensor:
    """What training minimises; `teacher` are the teacher's logits where there is one."""
    logits = logits.float()  # under amp they are bfloat16
    if teacher is None or config.distill is None:
        return label_loss(logits, labels, config)
    taught = distillation_loss(logits, teacher, config.distill)
    weight = config.distill.weight
    return (1 - weight) * label_loss(logits, labels, config) + weight * taught
