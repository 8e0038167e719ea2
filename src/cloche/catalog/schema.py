"""The tables, as an ordered tuple of migrations. The number of migrations applied is the version of the catalog.

A migration is never edited once released: a change of the schema is a new one at the end. Each runs whole or not at
all. What a search needs is in columns and small tables beside `run.document`, which alone holds the whole record.
"""

from __future__ import annotations

Migration = tuple[str, ...]

APPLICATION_ID = 0x636C6F63  # "cloc", in the header of the file: tells a catalog from any other SQLite database

_FIRST: Migration = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    "CREATE TABLE environment (digest TEXT NOT NULL PRIMARY KEY, document BLOB NOT NULL)",
    """CREATE TABLE run (
        seq INTEGER NOT NULL PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        created REAL NOT NULL,
        ended REAL,
        status TEXT NOT NULL,
        command TEXT NOT NULL,
        message TEXT NOT NULL,
        experiment TEXT NOT NULL,
        commit_id TEXT NOT NULL,
        branch TEXT NOT NULL,
        dirty INTEGER NOT NULL,
        folder TEXT NOT NULL,
        signal TEXT NOT NULL,
        code TEXT NOT NULL,
        data TEXT NOT NULL,
        config TEXT NOT NULL,
        environment TEXT NOT NULL REFERENCES environment (digest),
        snapshot TEXT NOT NULL,
        exit_status INTEGER,
        wall REAL NOT NULL,
        cpu REAL NOT NULL,
        peak_memory INTEGER NOT NULL,
        outputs INTEGER NOT NULL,
        findings INTEGER NOT NULL,
        document BLOB NOT NULL
    )""",
    "CREATE INDEX run_created ON run (created, seq)",
    "CREATE INDEX run_commit ON run (commit_id, created)",
    "CREATE INDEX run_status ON run (status)",
    "CREATE INDEX run_experiment ON run (experiment, created)",
    """CREATE TABLE metric (
        run INTEGER NOT NULL REFERENCES run (seq),
        key TEXT NOT NULL,
        value REAL,
        PRIMARY KEY (run, key)
    ) WITHOUT ROWID""",
    """CREATE TABLE param (
        run INTEGER NOT NULL REFERENCES run (seq),
        key TEXT NOT NULL,
        type TEXT NOT NULL,
        text TEXT NOT NULL,
        number NUMERIC,
        PRIMARY KEY (run, key)
    ) WITHOUT ROWID""",
    """CREATE TABLE output (
        run INTEGER NOT NULL REFERENCES run (seq),
        path TEXT NOT NULL,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (run, path)
    ) WITHOUT ROWID""",
    """CREATE TABLE written (
        path TEXT NOT NULL PRIMARY KEY,
        digest TEXT NOT NULL,
        created REAL NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE stage (
        run INTEGER NOT NULL REFERENCES run (seq),
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        status TEXT NOT NULL,
        document BLOB NOT NULL,
        PRIMARY KEY (run, position)
    )""",
    "CREATE INDEX stage_key ON stage (key)",
    """CREATE TABLE series (
        run INTEGER NOT NULL REFERENCES run (seq),
        key TEXT NOT NULL,
        count INTEGER NOT NULL,
        document BLOB NOT NULL,
        PRIMARY KEY (run, key)
    )""",
    """CREATE TABLE fact (
        fact TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES run (seq),
        text TEXT NOT NULL,
        PRIMARY KEY (fact, key)
    )""",
    "CREATE INDEX fact_run ON fact (run, fact)",
    """CREATE TABLE operation (
        number INTEGER NOT NULL PRIMARY KEY,
        created REAL NOT NULL,
        verb TEXT NOT NULL,
        summary TEXT NOT NULL,
        state TEXT NOT NULL,
        undoes INTEGER NOT NULL,
        undone INTEGER NOT NULL,
        effects BLOB NOT NULL
    )""",
)

# Which linked worktree an operation was done in.
_WORKTREES: Migration = ("ALTER TABLE operation ADD COLUMN worktree TEXT NOT NULL DEFAULT ''",)

_SHARING: Migration = (
    """CREATE TABLE fact_change (
        fact TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT,
        changed REAL NOT NULL,
        PRIMARY KEY (fact, key)
    )""",
    "CREATE TABLE merged (digest TEXT NOT NULL PRIMARY KEY)",
    "CREATE TABLE elsewhere (run INTEGER NOT NULL PRIMARY KEY REFERENCES run (seq))",
)

# The data that the store has held whole: what `cloche.lock` of another commit names and was never here is not lost.
_HELD: Migration = ("CREATE TABLE held (digest TEXT NOT NULL PRIMARY KEY)",)

MIGRATIONS: tuple[Migration, ...] = (_FIRST, _WORKTREES, _SHARING, _HELD)
