"""The verbs by section, with the one line that `cloche --help` shows. Their modules are imported when they are used."""

from __future__ import annotations

SECTIONS: dict[str, dict[str, str]] = {
    "Record": {
        "init": "Make this folder a project.",
        "add": "Track data, or record its new content.",
        "untrack": "Stop tracking data.",
        "unlock": "Make links into the store files that can be edited.",
        "get": "A file or folder of another project.",
        "run": "Run a command or the pipeline, and record everything.",
        "import": "Carry over what another tool has recorded.",
    },
    "Look": {
        "status": "What changed since the last run?",
        "log": "List runs; filter and sort them.",
        "show": "Everything about one run.",
        "diff": "What differs between two versions?",
        "ls": "The files of a run.",
        "cat": "One file as a run holds it.",
        "du": "How much the store takes, and what for.",
    },
    "Put back": {
        "revert": "Bring back what a run was given.",
        "checkout": "Bring some files of a run back.",
        "undo": "Reverse the last operation.",
        "history": "List what changed this project.",
    },
    "Share": {
        "remote": "The places that runs and data are shared through.",
        "push": "Send runs and their content to a remote.",
        "fetch": "Take runs and their content from a remote.",
        "pull": "Fetch, and bring data to what cloche.lock names.",
        "clone": "A project of somebody else, with its data.",
    },
    "Keep in order": {
        "tag": "Name a run.",
        "note": "Attach a text to a run.",
        "remove": "Take runs out of the log.",
        "prune": "Take old runs out of the log by a rule.",
        "gc": "Free the space of what nothing needs.",
        "verify": "Is every stored byte what it was?",
        "install": "Have Git take data along.",
        "doctor": "Is everything in order?",
        "completion": "Set up completion for your shell.",
    },
    "Called by Git": {
        "hook": "What Git's hooks call.",
        "merge-lock": "Merge two versions of cloche.lock.",
    },
}

VERBS: dict[str, str] = {name: line for section in SECTIONS.values() for name, line in section.items()}
