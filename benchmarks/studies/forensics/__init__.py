"""How the published AV-MNIST was probably made."""
