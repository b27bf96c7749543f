"""What a run tells while it goes on: moments of losses, meters, the console, observers."""
