"""What training sends: bytes of gradients from the symbols, and how long a ring of processes takes for them.

All-reduce in a ring: Patarasuk and Yuan 2009, doi:10.1016/j.jpdc.2008.09.002; every process sends the array
2 (p - 1) / p times, in parts of 1/p, whatever p is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from sympy import Add, Expr

from symrnn.declaration.axes import axes
from symrnn.declaration.quantities import Constant
from symrnn.models.model import Model
from symrnn.training.language_model import axis_sizes

UNITS, CHARACTERS = axes("m n")
"""The lengths that a language model has: units of every layer, and characters."""


def trained_numbers(model: Model) -> Expr:
    """How many numbers a model trains, and so its gradients have, in the axes of the model."""
    trained = (shape for _, quantity, shape in model.parameters if not isinstance(quantity, Constant))
    return Add(*(prod(shape) for shape in trained)).expand()


def of_units_and_characters(model: Model, expr: Expr) -> Expr:
    """An expression in the axes of a language model, in units and characters alone."""
    letters = {1: CHARACTERS, 2: UNITS}
    sizes = axis_sizes(model, 1, 2)
    return expr.xreplace({axis: letters[sizes[axis.name]] for axis in model.axes}).expand()


@dataclass(frozen=True, slots=True)
class Sending:
    """What an engine sends in a step: how often all parameters, or gradients, go around the ring once.

    `gathers` counts for each part of an accumulated batch, `reductions` for the whole step; an all-reduce is
    two of them.
    """

    gathers: int
    reductions: int

    def rounds(self, accumulate: int = 1) -> int:
        """How many times (p - 1) / p of all parameters are sent by each process."""
        return self.gathers * accumulate + self.reductions


SENDING: Mapping[str, Sending] = {"ddp": Sending(0, 2), "fsdp": Sending(1, 1)}
"""By the names of the engines. FSDP2 keeps what it gathered for the forward pass for the backward pass."""


def sent_bytes(numbers: int, processes: int, rounds: int, size: int) -> float:
    """The bytes that each process sends in a step, of so many numbers of `size` bytes."""
    return rounds * (processes - 1) / processes * numbers * size


@dataclass(frozen=True, slots=True)
class Network:
    """What connects machines: bits per second each way, and seconds until a message begins to arrive."""

    title: str
    bits: float
    latency: float


NETWORKS = (
    Network("1 Gbit/s", 1e9, 50e-6),
    Network("10 Gbit/s", 1e10, 20e-6),
    Network("100 Gbit/s", 1e11, 5e-6),
)


def ring_seconds(total_bytes: float, processes: int, network: Network, rounds: int) -> float:
    """How long a ring takes, played turn by turn: in each, every process hands the next one a part of 1/p."""
    time = [0.0] * processes
    turn = network.latency + 8 * total_bytes / processes / network.bits
    for _ in range(rounds * (processes - 1)):
        # A process goes on once it has sent its part and has that of the one before it.
        time = [max(time[rank], time[rank - 1]) + turn for rank in range(processes)]
    return max(time)


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Measured seconds of a step of one process, by how many samples it takes."""

    hidden: int
    numbers: int
    seconds: Mapping[int, float]

    @property
    def batch(self) -> int:
        """The largest batch, which processes share."""
        return max(self.seconds)

    def computing(self, processes: int) -> float:
        """The seconds of a step of which each process takes its part, on a line between measured times."""
        samples = self.batch / processes
        below = max(b for b in self.seconds if b <= samples)
        above = min(b for b in self.seconds if b >= samples)
        share = (samples - below) / (above - below) if above > below else 0.0
        return self.seconds[below] + share * (self.seconds[above] - self.seconds[below])


@dataclass(frozen=True, slots=True)
class Balance:
    """The number of machines from which on sending takes as long as computing, and both in seconds there.

    None if it takes less even where each machine has a single sample.
    """

    processes: int | None
    computing: float
    sending: float


def balance(times: StepTimes, network: Network, rounds: int, size: int) -> Balance:
    """Where sending and computing of a step balance, machines added one by one to the same batch."""
    computing = sending = 0.0
    for processes in range(1, times.batch + 1):
        computing = times.computing(processes)
        sending = ring_seconds(times.numbers * size, processes, network, rounds)
        if sending >= computing:
            return Balance(processes, computing, sending)
    return Balance(None, computing, sending)
