"""One case through both interpreters, and how they agree."""

from __future__ import annotations

import re
from collections import defaultdict
from enum import StrEnum

import attrs
from comparing import Difference, first_difference
from disagreements import Disagreement, recognise
from moto_runner import Moto, Run
from random_machines import Case
from views import View

from workflow_manager.history import UnlistedEventType
from workflow_manager.testing import simulate

_STATE = re.compile(r"the state '(\w+)' \(entered")


class Verdict(StrEnum):
    """How the two runs of a case compare."""

    AGREED = "agreed"
    KNOWN = "known"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Comparison:
    """Both runs of a case, what differs first, and which disagreement it is."""

    case: Case
    ours: Run
    theirs: Run
    difference: Difference | None
    known: Disagreement | None

    @property
    def verdict(self) -> Verdict:
        if self.difference is None:
            return Verdict.AGREED
        return Verdict.UNKNOWN if self.known is None else Verdict.KNOWN

    def __str__(self) -> str:
        """What somebody needs to look into it."""
        if self.difference is None:
            return f"seed {self.case.seed}: agreed"
        name, ours, theirs = self.difference.name, self.difference.ours, self.difference.theirs
        lines = [f"seed {self.case.seed}: {self.difference.aspect} differ at state {name}: {self.difference.own}"]
        for who, event, run in (("ours", ours, self.ours), ("moto", theirs, self.theirs)):
            short = {field: value for field, value in (event or {}).items() if field != "details"}
            lines.append(f"  {who}: {run.status} {run.error} at {str(short)[:500]}")
            lines.append(f"        {(run.cause or '')[:300]} {dict(run.failures)!s:.600}")
        return "\n".join(lines)


def run_here(case: Case, names: dict[str, str]) -> Run:
    """Run *case* in this library's simulation."""
    simulation = simulate(case.definition, case.input, tasks={}, **names)
    failures: dict[str, list[str]] = defaultdict(list)
    for event in simulation.events:
        details = event.details or {}
        if event.type is UnlistedEventType.STATE_FAILED and not details.get("below"):
            found = _STATE.search(str(details.get("cause")))
            if found is not None:
                failures[found[1]].append(f"{details.get('error')}: {details.get('cause')}")
    return Run(
        status=simulation.status,
        output=simulation.output,
        error=simulation.error,
        cause=simulation.cause,
        events=tuple(simulation.history),
        failures=failures,
    )


def compare(case: Case, moto: Moto) -> Comparison:
    """Run *case* in both and say what comes of it."""
    names = moto.names()
    ours, theirs = run_here(case, names), moto.run(case.definition, case.input, names)
    if theirs.status == "REFUSED":
        difference: Difference | None = Difference.of_outcome("status", ours.status, theirs.status)
    else:
        difference = first_difference(case.definition, ours, theirs)
    known = None if difference is None else recognise(View(ours, theirs, difference))
    return Comparison(case=case, ours=ours, theirs=theirs, difference=difference, known=known)
