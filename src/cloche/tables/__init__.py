"""Data files compared inside: tables row by row with DuckDB (`compare`), arrays (`arrays`), images (`images`)."""
