"""Dataflows for the tests of every stage, a file for each kind; the small ones stand here."""

from tests.networks.conv import random_conv
from tests.networks.mlp import (
    adversarial_thresholds,
    identity_encoding,
    masked_thresholds,
    random_inputs,
    random_magnitudes,
    random_mlp,
    with_class_scales,
)
from tests.networks.residual import clamp, random_quantiser, random_residual

__all__ = [
    "adversarial_thresholds",
    "clamp",
    "identity_encoding",
    "masked_thresholds",
    "random_conv",
    "random_inputs",
    "random_magnitudes",
    "random_mlp",
    "random_quantiser",
    "random_residual",
    "with_class_scales",
]
