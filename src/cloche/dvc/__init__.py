"""Layer 3: reading what DVC wrote, without DVC. Nothing here writes, and nothing that is read here is trusted."""
