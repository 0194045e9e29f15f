"""Runs bnnedge commands with one failing call each, in children of a process that has imported all.

Reads lines of JSON from standard input: {"argv": […], "failing": n, "error": errno, "log": bool,
"output": file}; answers each with its exit status and the number of calls that were counted.
"""

import json
import mmap
import os
import struct
import sys
from pathlib import Path

import click.testing  # noqa: F401
import onnxruntime  # noqa: F401
import torch
import torch.onnx
from torch.utils.tensorboard import SummaryWriter  # noqa: F401

import bnnedge.exporter.check
import bnnedge.lowering.check
import bnnedge.training.loop  # noqa: F401
from bnnedge.cli import main

torch.set_num_threads(1)
_STATE = struct.Struct("IIiI")
_TIMEOUT_S = 300


def serve() -> None:
    """Answer requests until standard input ends."""
    with Path(os.environ["FAULTS_STATE"]).open("r+b") as file:
        state = mmap.mmap(file.fileno(), _STATE.size)
    for line in sys.stdin:
        request = json.loads(line)
        state[:] = _STATE.pack(0, request["failing"], request["error"], request["log"])
        child = os.fork()
        if child == 0:
            _run(request["argv"], Path(request["output"]))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        calls, *_ = _STATE.unpack(state[:])
        print(json.dumps({"status": status, "calls": calls}), flush=True)


def _run(argv: list[str], output: Path) -> None:
    import signal

    signal.alarm(_TIMEOUT_S)
    os.setsid()
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdin.close()
    try:
        main(argv, prog_name="bnnedge")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    finally:
        os._exit(99)


if __name__ == "__main__":
    serve()
