"""Brevitas's own CNV of few bits, with random BatchNorms."""

import configparser
from pathlib import Path

import brevitas_examples.bnn_pynq
import numpy as np
import torch
from brevitas_examples.bnn_pynq.models.CNV import cnv

from tests.lowering.graphs import adversarial_norm


def brevitas_cnv(*, hostile: bool, bits: str = "1w1a") -> torch.nn.Module:
    """CNV for (3, 32, 32), six convolutions and three dense layers; some scales are negative.

    Args:
        hostile: means lie on accumulators, so that sums meet thresholds exactly.
        bits: of weights and activations, as Brevitas writes it.
    """
    config = configparser.ConfigParser()
    config.read(Path(brevitas_examples.bnn_pynq.__file__).parent / "cfg" / f"cnv_{bits}.ini")
    torch.manual_seed(5)
    rng = np.random.default_rng(5)
    network = cnv(config).eval()
    synapses, scale = 0, 1.0
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            # The first layer sees multiples of 2^-7.
            scale = 2.0**-7 if not synapses else 1.0
            synapses = module.weight[0].numel()
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            norm = adversarial_norm(rng, synapses, module.num_features)
            spread = np.float32(np.sqrt(synapses) / 4)
            module.weight.data = torch.from_numpy(norm.gamma)
            module.bias.data = torch.randn(module.num_features)
            means = rng.normal(0, spread, module.num_features) * scale
            module.running_mean = torch.from_numpy(means.astype(np.float32))
            module.running_var = 1 + torch.rand(module.num_features) * 20
            if hostile:
                module.bias.data = torch.from_numpy(norm.beta)
                module.running_var = torch.from_numpy(norm.variance)
                on_grid = torch.round(module.running_mean / scale) * scale
                module.running_mean = on_grid
    return network
