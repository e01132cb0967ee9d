"""The page about training on several machines: what to type, what is sent, and what that costs."""

import json
from dataclasses import dataclass
from pathlib import Path

from symrnn.distributed.traffic import (
    CHARACTERS,
    NETWORKS,
    SENDING,
    UNITS,
    Network,
    StepTimes,
    balance,
    of_units_and_characters,
    sent_bytes,
    trained_numbers,
)
from symrnn.files import SIGNATURE
from symrnn.mathematics.cost import polynomial
from symrnn.notation.rendering.latex import latex
from symrnn.templates import render
from symrnn.training.language_model import character_model
from symrnn.version import __version__
from symrnn.zoo import lstm

NAME = "distributed.md"
STEP_TIMES = Path(__file__).with_name("step_times.json")
PROCESSES = (2, 4, 16, 64)
SIZE = 4
"""Bytes of a number in float32."""
ROUNDS = SENDING["ddp"].rounds()
"""As many as those of FSDP2 where nothing is accumulated."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A row of what is sent."""

    units: str
    numbers: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Balances:
    """A row of where sending and computing balance."""

    units: str
    step: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A network, in words."""

    title: str
    latency: str


def page() -> str:
    """The text of the page, in Markdown."""
    measured = json.loads(STEP_TIMES.read_text(encoding="utf-8"))
    model = character_model(lstm, 1)
    numbers = of_units_and_characters(model, trained_numbers(model))
    sizes = [
        StepTimes(
            int(hidden),
            int(numbers.xreplace({UNITS: int(hidden), CHARACTERS: measured["characters"]})),
            {int(samples): float(time) for samples, time in seconds.items()},
        )
        for hidden, seconds in measured["seconds"].items()
    ]
    sent = tuple(
        Sent(
            str(size.hidden),
            f"{size.numbers:,}",
            tuple(f"{sent_bytes(size.numbers, p, ROUNDS, SIZE) / 1e6:.2f}" for p in PROCESSES),
        )
        for size in sizes
    )
    context = {
        "signature": f"{SIGNATURE} {__version__}, do not edit",
        "cell": lstm.name,
        "numbers": latex(polynomial(numbers)),
        "size": str(SIZE),
        "columns": tuple(map(str, PROCESSES)),
        "sent": sent,
        "networks": tuple(Column(n.title, f"{n.latency * 1e6:.0f} µs") for n in NETWORKS),
        "balances": tuple(map(_balances, sizes)),
        "batch": str(sizes[0].batch),
    }
    told = ("characters", "steps", "machine", "release", "date")
    return render("distributed.md.jinja", context | {name: str(measured[name]) for name in told})


def _balances(times: StepTimes) -> Balances:
    cells = tuple(_balance(times, network) for network in NETWORKS)
    return Balances(str(times.hidden), f"{_milliseconds(times.computing(1))} ms", cells)


def _balance(times: StepTimes, network: Network) -> str:
    found = balance(times, network, ROUNDS, SIZE)
    computing, sending = map(_milliseconds, (found.computing, found.sending))
    if found.processes is None:
        return f"more than {times.batch} (there {computing} and {sending} ms)"
    return f"{found.processes} ({computing} and {sending} ms)"


def _milliseconds(seconds: float) -> str:
    """A time to three digits."""
    return f"{float(f'{seconds * 1e3:.3g}'):,g}"
