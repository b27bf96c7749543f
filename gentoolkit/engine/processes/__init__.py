"""Which processes there are: how they are started, agree, stop, and share the nets of a run."""
