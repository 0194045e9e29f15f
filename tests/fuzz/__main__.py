"""`python -m tests.fuzz --count 10000 --jobs 2`: damages files of all kinds and reads them.

Exit status 0 if every one was taken or refused in one line. A defect names its case; `--case N`
(with the same seed) runs that one alone and `--keep FOLDER` writes its damaged files.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.server import Server, summary


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="files to damage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--commands", action="store_true", help="through the command line")
    parser.add_argument("--kind", help="only kinds whose name begins so")
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--keep", type=Path, help="write its files there")
    asked = parser.parse_args()
    if asked.jobs > 1 and asked.case is None:
        return _share_out(asked.jobs)
    cases = range(asked.first, asked.count, asked.step)
    if asked.case is not None:
        cases = range(asked.case, asked.case + 1)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder), asked.seed)
        if asked.kind:
            cases = [n for n in cases if server.kind_of(n).name.startswith(asked.kind)]
        if asked.keep:
            print(server.damage(cases[0], asked.keep))
        outcomes = []
        for outcome in (server.run_commands if asked.commands else server.run)(cases):
            outcomes.append(outcome)
            if outcome.is_defect or asked.case is not None:
                print(outcome, flush=True)
    print(summary(outcomes))
    print(f"{len(outcomes)} files in {time.monotonic() - start:.0f} s")
    return int(any(outcome.is_defect for outcome in outcomes))


def _share_out(jobs: int) -> int:
    """Every process takes each `jobs`-th case."""
    words = [sys.executable, "-m", "tests.fuzz", *sys.argv[1:], "--jobs", "1"]
    running = [
        subprocess.Popen([*words, "--first", str(job), "--step", str(jobs)]) for job in range(jobs)
    ]
    return max(process.wait() for process in running)


if __name__ == "__main__":
    sys.exit(main())
