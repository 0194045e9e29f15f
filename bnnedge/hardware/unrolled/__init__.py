"""Layers whose weights become logic: one pixel in every clock cycle."""
