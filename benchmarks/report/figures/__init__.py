"""The figures, drawn from records alone."""
