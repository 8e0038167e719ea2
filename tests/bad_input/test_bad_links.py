"""Links of every kind: among the files, in the way, and in the place of what was recorded."""

from __future__ import annotations

from bad_input_helpers import (
    assert_healthy,
    assert_refused,
    tree,
)

from shell import Shell


def test_a_path_through_a_link_is_the_path_that_it_leads_to(model: Shell) -> None:
    (model.folder.parent / "other").mkdir()
    (model.folder.parent / "other/a.csv").write_text("theirs")
    (model.folder / "out").symlink_to("../other")
    assert_refused(model, "add", "out/a.csv", status=8, says="lies outside the project", hint="inside the project")
    (model.folder / "way").symlink_to("data")
    assert "since it holds data/points.csv" in model.cloche("add", "way/points.csv").err


def test_a_link_is_no_data(model: Shell) -> None:
    (model.folder / "linked").symlink_to("data")
    assert_refused(
        model, "add", "linked", status=6, says="linked is a symbolic link", hint="the folder that it points to"
    )
    (model.folder / "dangling").symlink_to("nowhere")
    assert_refused(model, "add", "dangling", status=6, says="dangling is a symbolic link", hint="")
    (model.folder / "loop").symlink_to("loop")
    assert_refused(model, "add", "loop", status=6, says="loop is a symbolic link", hint="")
    assert_refused(model, "add", "loop/x", status=8, says="loop/x", hint="")


def test_links_among_the_files_are_recorded_as_links_and_come_back(model: Shell) -> None:
    links = {"up": "..", "loop": "loop", "one": "two", "two": "one", "dangling": "nowhere/at all", "self": "."}
    for name, target in links.items():
        (model.folder / "data" / name).symlink_to(target)
        (model.folder / name).symlink_to(target)
    model.cloche("add", "data")
    before = tree(model.folder)
    run = model.run()
    assert run["status"] == "finished"
    for name in links:
        (model.folder / "data" / name).unlink()
        model.write(f"data/{name}", "a file now")
        (model.folder / name).unlink()
        (model.folder / name).mkdir()
    model.cloche("status")
    model.cloche("diff")
    model.cloche("revert", "@")
    now = tree(model.folder)
    assert {path: now[path] for path in before} == before
    assert_healthy(model)


def test_links_that_lead_out_of_the_project_are_reported(model: Shell) -> None:
    (model.folder.parent / "huge.csv").write_text("a\n")
    (model.folder / "data/huge.csv").symlink_to("../../huge.csv")
    (model.folder / "inside").symlink_to("data/points.csv")
    done = model.cloche("add", "data")
    assert "links lead out of what is recorded: data/huge.csv" in done.err
    [finding] = model.run()["findings"]
    assert (finding["check"], finding["place"]["file"]) == ("link-outside", "data/huge.csv")


def test_data_that_became_a_link_is_no_input(model: Shell) -> None:
    model.run()
    (model.folder / "data").rename(model.folder.parent / "elsewhere")
    (model.folder / "data").symlink_to("../elsewhere")
    says, hint = "data is tracked data, and a symbolic link now", "cloche untrack data"
    assert_refused(model, "run", "--", "true", status=8, says=says, hint=hint)
    assert_refused(model, "add", status=6, says="data is a symbolic link", hint="")
    before = (model.folder.parent / "elsewhere/points.csv").read_bytes()
    model.cloche("revert", "@")
    assert not (model.folder / "data").is_symlink()
    assert model.data("data/points.csv") == before
    assert (model.folder.parent / "elsewhere/points.csv").read_bytes() == before
    assert_healthy(model)
    model.cloche("undo")
    assert (model.folder / "data").is_symlink()


def test_revert_does_not_write_through_a_link_that_took_a_folders_place(model: Shell) -> None:
    model.write("src/deep/code.py", "print(1)\n")
    model.run(command=["true"])
    (model.folder / "src").rename(model.folder.parent / "moved")
    (model.folder.parent / "moved/deep/code.py").write_text("theirs\n")
    (model.folder / "src").symlink_to("../moved")
    model.cloche("revert", "@")
    assert (model.folder.parent / "moved/deep/code.py").read_text() == "theirs\n"
    assert model.read("src/deep/code.py") == "print(1)\n"
    assert not (model.folder / "src").is_symlink()
    assert_healthy(model)
    model.cloche("undo")
    assert (model.folder / "src").is_symlink()
    assert (model.folder.parent / "moved/deep/code.py").read_text() == "theirs\n"
