"""QONNX transformations, one verb a file, in the form that FINN's own have."""
