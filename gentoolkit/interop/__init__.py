"""Other people's formats, and the form in which models are given to others."""
