"""What the tests start: runs a command through `execute`, writes what it says to a file, and ends like the command.

python driver.py RESULT LOG COMMAND...      (`-c TEXT` for shell text)
"""

import os
import sys
from pathlib import Path

import msgspec

from cloche.errors import ClocheError
from cloche.execution import Execution, die_like, execute, hold_signals


def main() -> None:
    result, log, *command = sys.argv[1:]
    text = command[1] if command[0] == "-c" else command
    try:
        with hold_signals():
            execution = execute(text, folder=Path.cwd(), variables=os.environ, log=Path(log))
            Path(result).write_bytes(msgspec.json.encode(execution))
    except ClocheError as error:
        sys.stderr.write(f"cloche: {error.message}\nhint: {error.hint}\n")
        raise SystemExit(error.exit_status) from error
    except KeyboardInterrupt:
        execution = msgspec.json.decode(Path(result).read_bytes(), type=Execution)
    die_like(execution)


if __name__ == "__main__":
    main()
