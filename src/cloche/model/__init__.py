"""Layer 2, words: the nouns of Cloche as frozen structs, and pure functions on them.

Nothing here touches the disk, the clock, a random state or a database.
"""
