"""Runs and environments: writing them, and finding them again."""

# ruff: noqa: S608 - what is put into SQL text here is SQL of this package; values are parameters

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from cloche.catalog.database import Parameters, Part
from cloche.catalog.documents import decode, decode_environment, encode, encode_environment
from cloche.catalog.search import NEWEST_FIRST, VISIBLE, as_float, select_runs
from cloche.errors import Conflict, NotFound, StoreError
from cloche.model.conditions import Query
from cloche.model.digest import Digest
from cloche.model.environment import Environment
from cloche.model.query import parse_sort
from cloche.model.run import ID_SHOWN, Output, Run
from cloche.model.run_row import RunRow
from cloche.model.values import Value, type_name

_FIELDS = (
    *("created", "ended", "status", "command", "message", "experiment", "commit_id", "branch", "dirty", "folder"),
    *("signal", "code", "data", "config", "environment", "snapshot", "exit_status", "wall", "cpu", "peak_memory"),
    *("outputs", "findings", "document"),
)
_INSERT = f"INSERT INTO run (id, {', '.join(_FIELDS)}) VALUES (:id, {', '.join(f':{name}' for name in _FIELDS)})"
_UPDATE = f"UPDATE run SET {', '.join(f'{name} = :{name}' for name in _FIELDS)} WHERE id = :id"
_LISTED = (
    "run.seq, run.id, run.created, run.ended, run.status, run.message, run.experiment, run.commit_id, run.branch, "
    "run.dirty, run.code, run.data, run.config, run.environment, run.wall, run.outputs, run.findings, run.document"
)


class _Values(msgspec.Struct):
    values: dict[str, Value] = {}


class _Inputs(msgspec.Struct):
    config: _Values


class _Listed(msgspec.Struct):
    """What a list needs of a run's document; decoding skips the rest."""

    command: tuple[str, ...]
    snapshot: _Inputs
    metrics: dict[str, float] = {}


class Runs(Part):
    """The part of the catalog that holds runs."""

    def add_run(self, run: Run, environment: Environment) -> None:
        """Record a run and the environment that its snapshot names. Raises Conflict where the id is taken."""
        with self.database.transaction():
            if self.database.row("SELECT 1 FROM run WHERE id = :id", {"id": run.id}):
                raise Conflict(f"run {run.short} is recorded already")
            self._add_environment(environment)
            self._check_environment(run)
            self.database.change(_INSERT, _columns(run))
            self._index(run)

    def update_run(self, run: Run, environment: Environment | None = None) -> None:
        """Replace the record of a run that is still `running`. Raises Conflict once it has ended: a finished run
        never changes."""
        with self.database.transaction():
            seq = self.seq(run.id)
            status = self.database.rows("SELECT status FROM run WHERE seq = :seq", {"seq": seq})[0][0]
            if status != "running":
                raise Conflict(
                    f"run {run.short} has ended ({status}); its record does not change",
                    hint="tags and notes may be added: see `cloche tag --help`",
                )
            if environment is not None:
                self._add_environment(environment)
            self._check_environment(run)
            self.database.change(_UPDATE, _columns(run))
            self._index(run)

    def run(self, id: str) -> Run:  # noqa: A002 - the name that the struct has
        """The run with exactly this id. Raises NotFound."""
        [found] = self.database.rows("SELECT document FROM run WHERE seq = :seq", {"seq": self.seq(id)})
        return decode(found[0], Run, f"run {id[:ID_SHOWN]}")

    def running(self) -> list[Run]:
        """The runs whose record says `running`, newest first, whether or not their process is alive."""
        sql = f"SELECT id, document FROM run WHERE status = 'running' ORDER BY {NEWEST_FIRST}"
        return [decode(data, Run, f"run {found[:ID_SHOWN]}") for found, data in self.database.rows(sql)]

    def environment(self, digest: Digest) -> Environment:
        """The environment with this digest. Raises NotFound, or Damaged where its bytes have changed."""
        sql = "SELECT document FROM environment WHERE digest = :digest"
        found = self.database.row(sql, {"digest": digest})
        if found is None:
            raise NotFound(f"the catalog has no environment {digest[:12]}", hint="type `cloche doctor`")
        return decode_environment(digest, found[0])

    def runs(
        self,
        query: Query | None = None,
        *,
        sort: Sequence[str] = (),
        limit: int | None = None,
        hidden: bool = False,
        experiment: str = "",
    ) -> list[RunRow]:
        """The runs that the search finds, newest first unless `sort` says otherwise.

        sort: such as `metrics.auc` or `-metrics.auc`; runs without the value come last, equal ones newest first.
        hidden: removed runs too. experiment: only runs of this experiment. Raises UsageError.
        """
        orders = [parse_sort(text) for text in sort]
        statement = select_runs(_LISTED, query, orders, limit=limit, hidden=hidden, experiment=experiment)
        with self.database.reading():
            rows = self.database.rows(*statement)
            tags = self.database.rows("SELECT run, key FROM fact WHERE fact = 'tag' ORDER BY key")
            notes: dict[int, int] = dict(
                self.database.rows("SELECT run, count(*) FROM fact WHERE fact = 'note' GROUP BY run")
            )
            removed = {seq for (seq,) in self.database.rows("SELECT run FROM fact WHERE fact = 'removed'")}
        tagged: dict[int, tuple[str, ...]] = {}
        for seq, tag in tags:
            tagged[seq] = (*tagged.get(seq, ()), tag)
        return [_row(row, tagged.get(row[0], ()), notes.get(row[0], 0), removed=row[0] in removed) for row in rows]

    def ids(self, prefix: str, *, hidden: bool = False) -> list[str]:
        """The ids that begin with `prefix`, newest first. hidden: those of removed runs too."""
        sql = "SELECT id FROM run WHERE id >= :first AND id < :last" + ("" if hidden else f" AND {VISIBLE}")
        bounds = {"first": prefix, "last": prefix + "\U0010ffff"}
        return [found for (found,) in self.database.rows(f"{sql} ORDER BY {NEWEST_FIRST}", bounds)]

    def latest(self, nth: int = 0) -> str | None:
        """The id of the newest run that is not removed, or of the nth before it; None where there are not so many."""
        sql = f"SELECT id FROM run WHERE {VISIBLE} ORDER BY {NEWEST_FIRST} LIMIT 1 OFFSET :nth"
        found = self.database.row(sql, {"nth": min(nth, 2**62)}) if nth >= 0 else None
        return None if found is None else str(found[0])

    def run_of_commit(self, commit: str) -> str | None:
        """The id of the newest run made at this Git commit (its full name) that is not removed."""
        sql = f"SELECT id FROM run WHERE commit_id = :commit AND {VISIBLE} ORDER BY {NEWEST_FIRST} LIMIT 1"
        found = self.database.row(sql, {"commit": commit}) if commit else None
        return None if found is None else str(found[0])

    def names(self, entity: Literal["metrics", "params"]) -> list[str]:
        """Every metric, or every parameter, that any run has; removed runs included."""
        table = "metric" if entity == "metrics" else "param"
        return [str(key) for (key,) in self.database.rows(f"SELECT DISTINCT key FROM {table} ORDER BY key")]

    def experiments(self) -> list[str]:
        """Every experiment that any run belongs to."""
        sql = "SELECT DISTINCT experiment FROM run WHERE experiment <> '' ORDER BY experiment"
        return [str(name) for (name,) in self.database.rows(sql)]

    def output_paths(self) -> dict[str, Digest]:
        """Every path that any run wrote, removed runs included, with the digest of the newest."""
        return dict(self.database.rows("SELECT path, digest FROM written"))

    def _add_environment(self, environment: Environment) -> None:
        digest, document = encode_environment(environment)
        sql = "INSERT INTO environment (digest, document) VALUES (:digest, :document) ON CONFLICT (digest) DO NOTHING"
        self.database.change(sql, {"digest": digest, "document": document})

    def _check_environment(self, run: Run) -> None:
        digest = run.snapshot.environment
        if not self.database.row("SELECT 1 FROM environment WHERE digest = :digest", {"digest": digest}):
            raise StoreError(f"run {run.short} names the environment {digest[:12]}, which was not recorded with it")

    def _index(self, run: Run) -> None:
        """Bring what searches need in line with the record."""
        seq = self.seq(run.id)
        for table in ("metric", "param", "output"):
            self.database.change(f"DELETE FROM {table} WHERE run = :run", {"run": seq})
        self.database.change_many(
            "INSERT INTO metric (run, key, value) VALUES (:run, :key, :value)",
            ({"run": seq, "key": key, "value": as_float(value)} for key, value in run.metrics.items()),
        )
        self.database.change_many(
            "INSERT INTO param (run, key, type, text, number) VALUES (:run, :key, :type, :text, :number)",
            ({"run": seq, "key": key, **_param(value)} for key, value in run.snapshot.config.values.items()),
        )
        outputs = [{"run": seq, "created": run.created, **output} for output in _outputs(run)]
        self.database.change_many(
            "INSERT INTO output (run, path, digest, size) VALUES (:run, :path, :digest, :size)", outputs
        )
        self.database.change_many(
            "INSERT INTO written (path, digest, created) VALUES (:path, :digest, :created) "
            "ON CONFLICT (path) DO UPDATE SET digest = excluded.digest, created = excluded.created "
            "WHERE excluded.created >= written.created",
            outputs,
        )


def _columns(run: Run) -> dict[str, object]:
    code, spent = run.snapshot.code, run.resources
    return {
        "id": run.id,
        "created": run.created,
        "ended": run.ended or None,
        "status": run.status,
        "command": " ".join(run.command),
        "message": run.message,
        "experiment": run.experiment,
        "commit_id": code.commit,
        "branch": code.branch,
        "dirty": code.dirty,
        "folder": run.folder,
        "signal": run.signal,
        "code": code.tree,
        "data": run.snapshot.data.digest,
        "config": run.snapshot.config.digest,
        "environment": run.snapshot.environment,
        "snapshot": run.snapshot.digest,
        "exit_status": run.exit_status,
        "wall": spent.wall,
        "cpu": spent.cpu,
        "peak_memory": spent.peak_memory,
        "outputs": len(run.outputs),
        "findings": len(run.findings),
        "document": encode(run),
    }


def _param(value: Value) -> Parameters:
    """How a parameter is searched: its text is itself or, of anything but text, its JSON."""
    kind = type_name(value)
    number = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value if -(2**63) <= value < 2**63 else as_float(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"type": kind, "text": text, "number": number}


def _outputs(run: Run) -> Iterator[Parameters]:
    listed: list[Output] = [*(output for stage in run.stages for output in stage.outputs), *run.outputs]
    for path, output in {output.path: output for output in listed}.items():
        yield {"path": path, "digest": output.digest, "size": output.size}


def _row(columns: Sequence[Any], tags: tuple[str, ...], notes: int, *, removed: bool) -> RunRow:
    _, run, created, ended, status, message, experiment, commit, branch, dirty, *rest = columns
    code, data, config, environment, wall, outputs, findings, document = rest
    listed = decode(document, _Listed, f"run {run[:ID_SHOWN]}")
    return RunRow(
        id=run,
        created=created,
        ended=ended or 0.0,
        status=status,
        command=listed.command,
        message=message,
        experiment=experiment,
        commit=commit,
        branch=branch,
        dirty=bool(dirty),
        code=code,
        data=data,
        config=config,
        environment=environment,
        metrics=listed.metrics,
        params=listed.snapshot.config.values,
        tags=tags,
        notes=notes,
        wall=wall,
        outputs=outputs,
        findings=findings,
        removed=removed,
    )
