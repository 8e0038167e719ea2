"""Layer 3, world: places that hold a copy of the store. Import from the modules: each backend has its own.

`backend` has what every place can do, `address` reads a URL, `opening` joins the two.
"""
