"""The benchmark: every contender in a process of its own, all of them in turn, never two at a time.

A process waits for its turn without doing anything: it is made once per size, opened, checked against the
results of the NumPy kernel, and then asked in every round.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from symrnn.bench.data import Size, draw_data, require_size
from symrnn.bench.layers import LAYERS
from symrnn.bench.machine import machine, versions
from symrnn.bench.names import FORWARD, JAX, NUMBA, NUMPY, ONNX, PEERS, PRODUCTS, STEP, TORCH, TORCH_NN, TRAIN
from symrnn.bench.processes import ContenderFailure, Worker
from symrnn.bench.results import Bench, Failure, Memory, Settings, Spread, Start, Timing, Work
from symrnn.bench.turns import Turn, take_turn
from symrnn.checking.reference import numeric_size
from symrnn.declaration.cell import Cell
from symrnn.errors import EmissionError
from symrnn.files import write
from symrnn.pipeline import emit, plan
from symrnn.planning.cost import moving_operations
from symrnn.planning.plan import Plan
from symrnn.running.loading import import_file
from symrnn.zoo import SHIPPED

AGREEMENT = 0.01
"""How far a contender's results may be from the NumPy kernel's, relative to their norm.

Float32 and other sums in another order stay far below it even over many steps; another function does not.
"""

KERNELS = {NUMPY: "numpy", NUMBA: "numba"}
PROGRAMS = {TORCH: "torch", JAX: "jax"}


def contenders(peers: Sequence[str]) -> tuple[str, ...]:
    """Our kernels and what the peers bring."""
    return (*KERNELS, *(contender for peer in peers for contender in PEERS[peer]))


def announced(cells: int, settings: Settings) -> int:
    """How often a benchmark tells its progress."""
    per_size = len(contenders(settings.peers)) * (1 + settings.rounds)
    return 2 + cells * (2 + len(settings.sizes) * per_size)


def run_bench(
    cells: Sequence[Cell], settings: Settings, *, tell: Callable[[str], None] = lambda _: None
) -> Bench:
    """What the benchmark of `cells` finds; `tell` hears what comes next, at most `announced` times.

    Raises:
        RequestError: this machine has no room for the arrays of a cell at one of the sizes.
    """
    for cell in cells:
        for size in settings.sizes:
            require_size(cell, size)
    record = _Record()
    with tempfile.TemporaryDirectory(prefix="symrnn_bench_") as name:
        folder = Path(name)
        rates = [_peak_rate(settings, folder, tell)]
        for number, cell in enumerate(cells):
            home = folder / f"cell_{number}"
            home.mkdir()
            _CellRun(cell, settings, home, tell, record).run()
        rates.append(_peak_rate(settings, folder, tell))
    return Bench(
        tuple(cell.name for cell in cells),
        settings,
        machine(),
        versions(),
        max(rates),
        tuple(record.timings),
        tuple(record.memories),
        tuple(record.starts),
        tuple(record.work),
        tuple(record.failures),
    )


def _peak_rate(settings: Settings, folder: Path, tell: Callable[[str], None]) -> float:
    """The best rate of NumPy's square float32 products, in operations per second."""
    tell("what the machine can do")
    with Worker(folder) as worker:
        sizes = worker.ask("open", contender=PRODUCTS)["quantities"]
        turns = take_turn(worker, sizes, settings)
    rates = [2 * int(size) ** 3 / statistics.median(turn.samples) for size, turn in turns.items()]
    return float(max(rates))


@dataclass(slots=True)
class _Record:
    """What has been found so far."""

    timings: list[Timing] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class _CellRun:
    """The benchmark of one cell; files go to `home`."""

    def __init__(
        self, cell: Cell, settings: Settings, home: Path, tell: Callable[[str], None], record: _Record
    ) -> None:
        self.cell = cell
        self.settings = settings
        self.home = home
        self.tell = tell
        self.record = record
        self.plan = plan(cell)
        self.shipped = cell.name if SHIPPED.get(cell.name) == cell else ""
        self.kernels: dict[str, Path] = {}
        self.contenders: list[str] = []
        self.lengths_of_step: set[int] = set()

    def run(self) -> None:
        """Measure the cell at all sizes."""
        for contender, target in KERNELS.items():
            self.kernels[contender] = self.home / f"{self.cell.name}_{target}.py"
            write(self.kernels[contender], emit(self.plan, target=target))
        for contender in contenders(self.settings.peers):
            if reason := self.impossible(contender):
                self.fail(contender, None, reason)
            else:
                self.contenders.append(contender)
        self.start_kernel()
        for size in self.settings.sizes:
            self.measure(size)

    def impossible(self, contender: str) -> str:
        """Why a ready-made layer does not compute what the cell computes; empty if it does."""
        if contender not in (TORCH_NN, ONNX):
            return ""
        layer = LAYERS.get(self.shipped)
        there = layer and (contender == ONNX or layer.torch_kind)
        return "" if there else f"{contender} has no layer that computes this cell"

    def fail(self, contender: str, size: Size | None, reason: str) -> None:
        """Note why a contender is not measured."""
        self.record.failures.append(Failure(self.cell.name, contender, size, reason))

    # -- before the rounds ----------------------------------------------------------------------------

    def start_kernel(self) -> None:
        """The start of the compiled kernel, without and with what an earlier process left on disk."""
        size = min(self.settings.sizes, key=lambda size: size.T * size.B * size.H**2)
        data = self.data(size)
        for cached in (False, True):
            self.tell(f"{self.cell.name}: start of the Numba kernel{', compiled before' * cached}")
            with Worker(self.home) as worker:
                try:
                    self.opened(worker, NUMBA, size, data, cached=cached)
                except ContenderFailure as failure:
                    self.fail(NUMBA, size, str(failure))

    def data(self, size: Size) -> Path:
        """The file with the arrays for a size."""
        path = self.home / f"data_{size.T}_{size.B}_{size.H}.npz"
        if not path.exists():
            number = len(list(self.home.glob("*.npz")))
            kernel = import_file(self.kernels[NUMPY], f"{self.home.parent.name}_{self.home.name}_{number}")
            draw_data(self.cell, kernel, size).save(path)
        return path

    def source(self, contender: str) -> str:
        """The path of a contender's source; empty if it has none.

        Raises:
            EmissionError: a framework cannot write the cell.
        """
        if contender in PROGRAMS and contender not in self.kernels:
            target = PROGRAMS[contender]
            path = self.home / f"{self.cell.name}_{target}.py"
            write(path, emit(self.cell, target))
            self.kernels[contender] = path
        return str(self.kernels.get(contender, ""))

    def opened(
        self, worker: Worker, contender: str, size: Size, data: Path, *, cached: bool = False
    ) -> list[str]:
        """The quantities of a worker's contender, after its first calls."""
        source = self.source(contender)
        answer = worker.ask("open", contender=contender, data=str(data), source=source, cell=self.shipped)
        quantities: list[str] = answer["quantities"]
        main = TRAIN if TRAIN in quantities else FORWARD
        first = worker.ask("first", quantity=main)["seconds"]
        start = Start(self.cell.name, contender, size, answer["seconds"], first, cached)
        self.record.starts.append(start)
        return quantities

    # -- one size -------------------------------------------------------------------------------------

    def measure(self, size: Size) -> None:
        """Measure all contenders at one size."""
        self.record.work.append(Work(self.cell.name, size, _operations(self.plan, size)))
        skipped = () if size.H not in self.lengths_of_step else (STEP,)
        self.lengths_of_step.add(size.H)
        data = self.data(size)
        ready: dict[str, tuple[Worker, list[str]]] = {}
        expected: Mapping[str, Any] = {}
        taken: dict[tuple[str, str], list[Turn]] = {}
        with ExitStack() as stack:
            for contender in self.contenders:
                self.tell(f"{self.cell.name}, {size}: {contender} starts")
                worker = stack.enter_context(Worker(self.home))
                try:
                    quantities = self.prepared(worker, contender, size, data, expected)
                    expected = expected or worker.ask("results")
                except (ContenderFailure, EmissionError) as failure:
                    self.fail(contender, size, str(failure))
                    continue
                ready[contender] = worker, [q for q in quantities if q not in skipped]
            for number in range(self.settings.rounds):
                for contender, (worker, quantities) in list(ready.items()):
                    self.tell(f"{self.cell.name}, {size}: {contender}, round {number + 1}")
                    try:
                        for quantity, turn in take_turn(worker, quantities, self.settings).items():
                            taken.setdefault((contender, quantity), []).append(turn)
                    except ContenderFailure as failure:
                        self.fail(contender, size, str(failure))
                        del ready[contender]
        self.keep(size, taken)

    def prepared(
        self, worker: Worker, contender: str, size: Size, data: Path, expected: Mapping[str, Any]
    ) -> list[str]:
        """The quantities of a contender that computes what the first one computes, its memory measured."""
        time.sleep(self.settings.pause)
        quantities = self.opened(worker, contender, size, data, cached=contender == NUMBA)
        if expected:
            require_agreement(worker.ask("results"), expected)
        for quantity in (FORWARD, TRAIN):
            if quantity in quantities:
                worker.ask("first", quantity=quantity)
                if (found := worker.ask("memory", quantity=quantity)["bytes"]) is not None:
                    memory = Memory(self.cell.name, contender, quantity, size, found)
                    self.record.memories.append(memory)
        return quantities

    def keep(self, size: Size, taken: Mapping[tuple[str, str], list[Turn]]) -> None:
        """Note what the rounds gave."""
        for (contender, quantity), rounds in taken.items():
            measured_at = Size(1, 1, size.H) if quantity == STEP else size
            median = statistics.median(sample for turn in rounds for sample in turn.samples)
            spreads = tuple(Spread.of(turn.samples, turn.others) for turn in rounds)
            self.record.timings.append(
                Timing(self.cell.name, contender, quantity, measured_at, median, spreads)
            )


def _operations(plan: Plan, size: Size) -> int:
    """Floating-point operations of a training step with all gradients: products and pointwise work."""
    statements = [statement for block in plan.blocks for statement in block.statements]
    per_sample = moving_operations(statements, plan.table())
    return numeric_size(per_sample, dict.fromkeys(plan.axes, size.H)) * size.T * size.B


def require_agreement(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise unless a contender's results are those of the NumPy kernel.

    Raises:
        ContenderFailure: one of them is not.
    """
    for name, (norm, weighted) in expected.items():
        if name not in found or not all(map(math.isfinite, (norm, weighted))):
            continue
        limit = AGREEMENT * max(
            norm, 1e-6 * max(pair[0] for pair in expected.values() if math.isfinite(pair[0]))
        )
        errors = (abs(found[name][0] - norm), abs(found[name][1] - weighted))
        if not all(error <= limit for error in errors):  # NaN is no agreement
            raise ContenderFailure(f"its {name} differs from that of the NumPy kernel, so it is not measured")
