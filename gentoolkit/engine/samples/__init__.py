"""Drawing samples and measuring them, chunk by chunk, over all processes."""
