"""AV-MNIST: MNIST digits with spoken digits."""
