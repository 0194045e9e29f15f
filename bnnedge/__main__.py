"""`python -m bnnedge`: the command line."""

from bnnedge.cli import main

main()
