"""Layer 7, the command line: parse, call one op, show. No logic."""
