"""The catalog: what is known about runs, in one SQLite file. The only package that holds SQL.

`cloche.catalog.catalog.Catalog` is its face. Tables and documents are described in docs/design.md, "Catalog".
"""
