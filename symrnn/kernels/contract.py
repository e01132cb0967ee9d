"""What a kernel offers its callers, as data: public names, how they are called, and what they mean."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Function:
    """A function: `arguments` go by place, `keywords` by name alone; those with a default show it.

    A star stands for one keyword per axis.
    """

    name: str
    meaning: str
    arguments: tuple[str, ...]
    keywords: tuple[str, ...] = ()

    def takes(self, keyword: str) -> bool:
        """Whether it has a keyword of this name."""
        return keyword in (text.partition("=")[0] for text in self.keywords)


@dataclass(frozen=True, slots=True)
class Contract:
    """The names of a kernel: tables of the cell's quantities, NamedTuples, and functions.

    A keyword that a target does not serve is absent from its contract, and never ignored.
    """

    name: str
    meaning: str
    functions: tuple[Function, ...]
    records: tuple[str, ...]
    tables: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The public names."""
        return (*self.tables, *self.records, *self.verbs)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The names of the functions."""
        return tuple(function.name for function in self.functions)

    @property
    def words(self) -> frozenset[str]:
        """All names that stand in a text because of the contract, those of arguments too."""
        told = [text for f in self.functions for text in (*f.arguments, *f.keywords) if text != "*"]
        return frozenset({*self.names, *(text.partition("=")[0] for text in told)})

    def takes(self, keyword: str) -> bool:
        """Whether a function has a keyword of this name."""
        return any(function.takes(keyword) for function in self.functions)

    @property
    def functional(self) -> bool:
        """Whether what a forward pass saves goes through the caller's hands."""
        return "SAVED" in self.tables

    @property
    def differentiated(self) -> bool:
        """Whether gradients are taken by the framework that a kernel is written for."""
        return "backward" not in self.verbs

    def without(self, *keywords: str) -> "Contract":
        """The contract of a target that does not serve some keywords."""
        return replace(self, functions=tuple(_without(function, keywords) for function in self.functions))


def _without(function: Function, keywords: tuple[str, ...]) -> Function:
    kept = tuple(text for text in function.keywords if text.partition("=")[0] not in keywords)
    return replace(function, keywords=kept)


RUN = ("Inputs", "State", "Parameters", "Run", "Gradients")
"""What arrives, what is carried, what is trained; what `forward` and `backward` return."""

FULL = Contract(
    "full",
    "all that a target has",
    (
        Function("init", "fresh parameters", ("rng",), ("*", "dtype=np.float32")),
        Function("prepare", "what depends on the parameters alone, computed once", ("parameters",)),
        Function(
            "predict",
            "outputs and the final state, keeping nothing for a backward pass",
            ("parameters", "inputs", "state=None"),
            ("lengths=None", "out=None", "workspace=None", "threads=None"),
        ),
        Function(
            "forward",
            "outputs, the final state and the tape for `backward`",
            ("parameters", "inputs", "state=None"),
            ("lengths=None", "workspace=None", "threads=None"),
        ),
        Function(
            "backward",
            "gradients of parameters, inputs and initial state",
            ("parameters", "tape", "d_outputs", "d_state=None"),
            ("input_gradients=True", "out=None", "workspace=None", "threads=None"),
        ),
        Function("step", "one time step, keeping nothing", ("parameters", "inputs_t", "state")),
    ),
    (*RUN, "Prepared", "Tape"),
    ("AXES", "INPUTS", "STATES", "PARAMETERS", "CONSTANTS", "OUTPUT"),
)
"""The whole contract; records beside `RUN` are prepared parameters, and the tape."""

FUNCTIONAL = Contract(
    "functional",
    "pure functions of arrays, for hosts that differentiate by themselves",
    (
        *(function for function in FULL.without("out", "workspace").functions if function.name != "backward"),
        Function(
            "backward",
            "gradients of parameters, inputs and initial state",
            ("parameters", "inputs", "state", "saved", "d_outputs", "d_state=None"),
            ("lengths=None", "input_gradients=True", "threads=None"),
        ),
    ),
    ("Inputs", "State", "Parameters", "Gradients", "Prepared"),
    (*FULL.tables, "SAVED"),
)
"""No object lives from `forward` to `backward`: what is saved goes through the caller, as arrays of SAVED."""

MINIMAL = Contract(
    "minimal",
    "forward, backward and step, unchecked, to read",
    (
        Function("forward", "all steps", ("parameters", "inputs", "state=None")),
        Function("backward", "all steps back", ("parameters", "tape", "d_outputs", "d_state=None")),
        Function("step", "one step", ("parameters", "inputs", "state=None")),
    ),
    RUN,
)
"""To be read, taught and pasted: arrays are not checked, and nothing is kept for later calls."""
