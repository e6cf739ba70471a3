"""What a batch is made of: tensors on the device, gathered by row."""
