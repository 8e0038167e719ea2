"""One module a verb, named after it; each holds `command`."""
