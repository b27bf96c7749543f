"""The contract tests that every component, built in or a plugin's, must pass."""
