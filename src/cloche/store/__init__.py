"""Layer 3, world: bytes by digest, and the work tree on disk. Import from the modules; nothing is imported here,
so that a face that needs one of them does not pay for the others.
"""
