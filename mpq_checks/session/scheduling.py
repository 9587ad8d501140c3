"""How work is spread over pytest-xdist's workers."""

import os
from typing import Any

import psutil
from xdist.scheduler import LoadScopeScheduling

from mpq_checks.environment import available_cores
from mpq_checks.session.items import case_id_of

__all__ = ["TaskScheduling", "num_workers", "share_cores"]

_BYTES_PER_WORKER = 1.5e9


class TaskScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Keeps the cases of one task on one worker, so that its model is loaded once.

    Tasks are handed out in the order of collection, long ones first; tests without a case go by
    file.
    """

    def schedule(self) -> None:
        """Hand out work, at least two tests a worker where there are as many.

        A worker keeps its last test until it knows the next. xdist gives a worker that replaces a
        dead one a single unit, and with a unit of one test it would wait forever.
        """
        super().schedule()
        for node in self.nodes:
            self._reschedule(node)

    def remove_node(self, node: Any) -> str | None:
        """Hand the rest of a dead worker's tests to others, without the one it died of.

        xdist would run that one again, and lose one worker after the other to it.
        """
        workload: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
        units = list(workload.values())
        died_of = next((name for unit in units for name, done in unit.items() if not done), None)
        if died_of is None:
            return None
        for unit in units:
            if died_of in unit:
                unit[died_of] = True
        left = {scope: unit for scope, unit in workload.items() if not all(unit.values())}
        self.workqueue.update(left)
        for other in self.assigned_work:
            self._reschedule(other)
        return died_of

    def _split_scope(self, nodeid: str) -> str:
        case_id = case_id_of(nodeid)
        return nodeid.partition("::")[0] if case_id is None else case_id.partition("/")[0]


def num_workers(num_tasks: int) -> int:
    """Workers for `-n auto`: one a core, as many as memory holds and as there are tasks."""
    by_memory = int(psutil.virtual_memory().available // _BYTES_PER_WORKER)
    return max(1, min(available_cores(), by_memory, num_tasks))


def share_cores(num_workers: int) -> None:
    """Give each worker cores / workers threads, unless OMP_NUM_THREADS says otherwise.

    Workers inherit the variable; torch and numpy read it when they are imported there. Without it
    every worker would start a thread a core, and they would wait for one another.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // num_workers)))
