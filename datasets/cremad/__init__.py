"""CREMA-D: emotions in speech and faces."""
