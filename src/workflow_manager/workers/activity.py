"""
The worker of Step Functions activities: it registers, polls, does the tasks, and answers.

    worker = ActivityWorker(client, {"resize": resize}, namespace="production", worker_name="host-1", concurrency=4)
    worker.run()

As a program it does what the original's ``sfncli`` does: every task is one run of a command.

    python -m workflow_manager.workers.activity --activity NAME -- COMMAND ARGUMENT...
"""

from __future__ import annotations

import sys

from workflow_manager.workers.activity_functions import ActivityContext
from workflow_manager.workers.activity_program import main
from workflow_manager.workers.activity_worker import ActivityWorker

__all__ = ["ActivityContext", "ActivityWorker"]

if __name__ == "__main__":
    sys.exit(main())
