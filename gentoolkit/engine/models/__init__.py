"""Models that are trained: opened from a run, kept as snapshots, written to be given away, averaged after the fact."""
