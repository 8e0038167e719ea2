"""Layer 3, world: runs a command here as if Cloche were not there, and tells how it went.

```python
execution = execute(["python", "train.py"], folder=project, variables=os.environ, log=run_folder / "log")
die_like(execution)
```
"""

from cloche.execution.ending import Execution as Execution
from cloche.execution.ending import die_like as die_like
from cloche.execution.signals import hold_signals as hold_signals
from cloche.execution.starting import execute as execute
