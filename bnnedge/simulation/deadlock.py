"""Which kernels of a stuck simulation wait for each other in a circle."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from bnnedge.design import Design, KernelInstance
from bnnedge.verilated.stream import StreamState


@dataclass(frozen=True, kw_only=True)
class Wait:
    """One kernel that cannot go on before another one does.

    Attributes:
        waiting: the kernel that waits.
        blocker: the kernel that it waits for.
        for_room: it has a beat that is not taken; else it has none to take.
    """

    waiting: KernelInstance
    blocker: KernelInstance
    for_room: bool

    @property
    def on_full_fifo(self) -> bool:
        """It waits for room in a FIFO."""
        return self.for_room and self.blocker.depth_words is not None


def find_deadlock(design: Design, states: Sequence[StreamState]) -> tuple[Wait, ...]:
    """Kernels that wait for each other in a circle, each for the next and the last for the first.

    A kernel waits for the producer of an input that is not valid, and for the consumer of an output
    that is valid and not taken.

    Args:
        design: what was simulated.
        states: of its streams, when nothing moved any more.

    Returns:
        The circle, from a kernel with several inputs if there is one; empty without a circle.
    """
    waits = _waits(design, states)
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        # Each name is that of a blocker of the one behind it; the first is the last.
        names = error.args[1][:0:-1]
    else:
        return ()
    inputs = {kernel.name: len(kernel.inputs) for kernel in design.kernels}
    start = max(range(len(names)), key=lambda index: inputs[names[index]])
    names = [*names[start:], *names[: start + 1]]
    return tuple(waits[name][blocker] for name, blocker in itertools.pairwise(names))


def _waits(design: Design, states: Sequence[StreamState]) -> Mapping[str, Mapping[str, Wait]]:
    """By the names of a kernel and of what it waits for."""
    producers, consumers = design.producers, design.consumers
    waits: dict[str, dict[str, Wait]] = {}
    for state in states:
        producer, consumer = producers[state.name], consumers[state.name]
        if not state.valid:
            wait = Wait(waiting=consumer, blocker=producer, for_room=False)
        elif not state.ready:
            wait = Wait(waiting=producer, blocker=consumer, for_room=True)
        else:
            continue
        waits.setdefault(wait.waiting.name, {})[wait.blocker.name] = wait
    return waits


def describe(circle: Sequence[Wait]) -> str:
    """The circle in words; what only passes on that there is no beat, in parentheses."""
    clauses: list[str] = []
    for for_room, run in itertools.groupby(circle, key=lambda wait: wait.for_room):
        waits = list(run)
        if for_room:
            clauses += map(_for_room, waits)
            continue
        *between, source = (wait.blocker.name for wait in waits)
        through = f" (through {', '.join(between)})" if between else ""
        clauses.append(f"waits for a beat from {source}{through}")
    return f"{circle[0].waiting.name} " + ", which ".join(clauses)


def _for_room(wait: Wait) -> str:
    blocker = wait.blocker
    if wait.on_full_fifo:
        return f"waits for room in {blocker.name} (full, {blocker.depth_words} words)"
    return f"waits for {blocker.name} to take a beat"
