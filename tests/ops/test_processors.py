"""The tests that exactness rests on, again on other processors' code, as far as it runs here.

Libraries choose code by what they find of a processor. Here they are told otherwise, each in
processes of its own: torch's vector width and threads, MKL's branch for processors that are not
Intel's (where `torch.sqrt` is off by an ulp for every sixth number), oneDNN's and OpenBLAS's
kernels, numpy's and libm's vector code. onnxruntime knows no such switch.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

_ROOT = Path(__file__).parents[2]
_TESTS = (
    *("ops/test_arithmetic.py", "ops/test_exact.py", "ops/test_normalisation.py"),
    *("ops/test_quantisers.py", "ops/test_encoding.py", "ops/test_layers.py", "ops/test_binop.py"),
    *("data/test_encodings.py", "exporter/test_export.py", "exporter/test_golden.py"),
    *("lowering/test_thresholds.py", "lowering/test_own_export.py"),
)
_ONE, _TWO = ({"OMP_NUM_THREADS": str(n), "MKL_NUM_THREADS": str(n)} for n in (1, 2))
_NOT_INTEL = {"MKL_CBWR": "COMPATIBLE"}
_OLD_NUMPY = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"}
_OLD_LIBM = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4"}
_PROCESSORS = {
    **{
        f"torch {width}, {threads['OMP_NUM_THREADS']} threads": {
            "ATEN_CPU_CAPABILITY": width,
            **threads,
        }
        for width in ("default", "avx2", "avx512")
        for threads in (_ONE, _TWO)
    },
    "no Intel, AVX2": {
        **{"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
        **{"OPENBLAS_CORETYPE": "Zen", **_NOT_INTEL, **_TWO},
    },
    "no Intel, no AVX": {
        **{"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
        **{"OPENBLAS_CORETYPE": "Barcelona", **_NOT_INTEL, **_OLD_NUMPY, **_OLD_LIBM, **_ONE},
    },
}


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the switches are those of x86")
@pytest.mark.parametrize("name", _PROCESSORS)
def test_exactness_on_other_processors_code(name: str) -> None:
    environment = {**os.environ, **_PROCESSORS[name]}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + [f"tests/{path}" for path in _TESTS],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


_COUNT_ROOTS = """
import numpy as np, torch
x = np.random.default_rng(0).uniform(1, 4, 100_000).astype(np.float32)
print(int((torch.from_numpy(x).sqrt().numpy() != np.sqrt(x)).sum()))
"""


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch without MKL")
@pytest.mark.slow
def test_the_switch_for_processors_that_are_not_intels_does_switch() -> None:
    environment = {**os.environ, **_NOT_INTEL}
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_ROOTS], env=environment, capture_output=True, text=True
    )
    assert int(done.stdout) > 10_000, done.stderr
