"""Curvature and loss surfaces of trained models."""
