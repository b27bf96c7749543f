"""What a run keeps: its folder, its log, and checkpoints that count only once they are committed."""
