"""What `build_scripts/bench.py` measures."""
