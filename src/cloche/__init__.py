"""Cloche."""
