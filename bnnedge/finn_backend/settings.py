"""FINN as a library: without its command line, its settings file and Vivado."""

import logging
import os
from pathlib import Path

import finn.util.settings
from finn.interface.settings import FINNSettings


def use_build_folder(folder: Path, *, workers: int = 1) -> None:
    """Let FINN write what it generates below `folder`, which is made if it is not there.

    For those who did not start FINN with its own command. It sets FINN's environment variables for
    this process and its children, and quietens FINN's log to errors.

    Args:
        folder: for generated code.
        workers: processes that FINN may use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A settings file that is named need not exist; without a name FINN makes a folder below the
    # user's home.
    finn.util.settings._SETTINGS = FINNSettings.init(
        override_settings_path=folder / "settings.yaml",
        flow_config=folder / "flow.yaml",
        finn_build_dir=str(folder.absolute()),
        num_default_workers=workers,
    )
    # FINN's builder writes its last component into a report, and stops without it.
    os.environ.setdefault("XILINX_VIVADO", "no-vivado")
    logging.getLogger("finn_logger").setLevel(logging.ERROR)
