"""Tables (CSV, TSV, Parquet) compared row by row, with DuckDB. `cloche.tables.compare` is the way in."""
