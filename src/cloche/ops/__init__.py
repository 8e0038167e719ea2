"""Layer 6, verbs: one module and one typed function per verb. Every face calls these and nothing else.

A verb takes a `Project` and plain values, and returns a struct that `--json` prints as it is.
"""
