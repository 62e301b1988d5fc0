"""Measures the server over the wire; docs/performance.md says what and how to repeat it."""
