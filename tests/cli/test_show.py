"""`cloche show`: everything about one run."""

from __future__ import annotations

from shell import Shell


def test_a_run_in_full(model: Shell) -> None:
    model.cloche("run", "-m", "a message", "-e", "group", "--", "python", "train.py")
    model.cloche("tag", "champion")
    model.cloche("note", "looks good")
    shown = model.facts("show")
    run = shown["run"]
    assert (shown["tags"], shown["removed"]) == (["champion"], False)
    assert [note["text"] for note in shown["notes"]] == ["looks good"]
    assert run["snapshot"]["environment"]
    text = model.cloche("show", "champion").out
    for words in (
        run["id"],
        "finished",
        "python train.py",
        "a message",
        "champion",
        "looks good",
        "train.factor = 2",
        'train.name = "linear"',
        "data: 1 file",
        "on main",
        "total",
        "metrics.json",
        "model.bin",
        "CPython",
    ):
        assert words in text, words


def test_findings_have_a_hint(model: Shell) -> None:
    model.cloche("run", "--", "sh", "-c", "echo '# more' >> train.py")
    text = model.cloche("show").out
    assert "train.py changed while the run was going" in text
    assert "run again if it mattered" in text


def test_names_with_control_characters_do_not_reach_the_terminal(plain: Shell) -> None:
    plain.run("-m", "evil \x1b[31mmessage [bold]x[/bold]", command=["touch", "out\x1b[2Jput", "[red]file"])
    for words in (["show"], ["log"], ["diff", "@", "."], ["history"]):
        assert "\x1b" not in plain.cloche(*words).out
    text = plain.cloche("show").out
    assert "[bold]x[/bold]" in text
    assert "[red]file" in text


def test_one_thing_at_a_time(plain: Shell) -> None:
    plain.run(command=["true"])
    done = plain.cloche("show", "--log", "--json", status=2)
    assert "exclude each other" in done.err
    assert plain.cloche("show", "--log").out == ""
    assert plain.cloche("show", "--series").json == {}


def test_a_removed_run_is_still_there_by_its_full_id(plain: Shell) -> None:
    run = plain.run(command=["echo", "hello"])
    plain.cloche("remove", "@")
    assert plain.facts("show", run["id"])["removed"] is True
    assert "removed" in plain.cloche("show", run["id"]).out
    assert plain.cloche("show", "--log", run["id"]).out == "hello\n"
    plain.cloche("show", run["id"][:8], status=5)


def test_a_changed_environment_variable_of_colour(plain: Shell) -> None:
    plain.run(command=["true"])
    assert "\x1b[" in plain.cloche("show", FORCE_COLOR="1").out
    assert "\x1b[" not in plain.cloche("show", FORCE_COLOR="1", NO_COLOR="1").out
