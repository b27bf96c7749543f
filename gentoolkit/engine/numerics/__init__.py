"""In what arithmetic a loss is computed: precision, memory layout, compiled programs."""
