"""Mutation score: how many small changes of the sources the tests notice.

    python tests/tools/mutation.py --sample 200             noticed by tests, without the proof
    python tests/tools/mutation.py --sample 200 --proof     planning/ alone: noticed by checker and proof

One operator, constant, index or condition is changed at a time, in the sources of derivation, planning and
the printers, chosen at random. Every mutant runs in a process of its own, forked from one that has imported
the libraries. Without `--proof` the pipeline proves nothing, and the tests that bear on the file must fail.
With it, a mutant counts if it changes what a plan of some cells computes, and checker or proof must refuse
one of these. Plans that changed and passed are run on floats at other sizes: they are "other" plans if they
compute the same (in another order, at another cost), and "wrong" if not.
"""

import ast
import copy
import importlib.abc
import importlib.util
import os
import pickle
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jinja2  # noqa: F401  (this and SymPy every mutant would import again)
import pytest
import sympy  # noqa: F401
import typer

ROOT = Path(__file__).parents[2]
TESTS_AT = ROOT / "tests"
GROUPS = {
    "derivation": ("symrnn/derivation/*.py",),
    "planning": ("symrnn/planning/*.py", "symrnn/planning/passes/*.py"),
    "printers": (
        "symrnn/kernels/expressions.py",
        "symrnn/kernels/layout.py",
        "symrnn/kernels/num*/*.py",
        "symrnn/mathematics/printer.py",
        "symrnn/mathematics/contractions.py",
    ),
}
NOT_MUTATED = {
    *("interpreter.py", "checker.py", "shape_rules.py", "printout.py", "model_printout.py"),
    *("cost.py", "model_cost.py", "numeric.py", "__init__.py"),
}
"""What tests compute with, what refuses plans, and words about them."""

TESTS = {
    "derivation": "rules derivation model_derivation cost tangent gradient_paths depth",
    "planning": "plan_costs plan model_plan sizes affine passes recompute random_sums lengths",
    "printers": "plan_costs printed_kernels minimal latex vocabulary powers printers latex_forms latex_proof",
}
"""The files of tests that bear on a group, the quickest first."""

LEFT_OUT = {
    "derivation": "hash_seed or stray or numba or 300_levels",
    "planning": "hash_seed or stray or numba or compiled or 1-targets or finds_its_lengths or gain_and",
    "printers": "hash_seed or stray or random_cells or turns_red or pdflatex or compiled or float32",
}
"""Tests of these files that need the proof, compile a lot or look at many more cells of one kind."""

SECONDS = 300
"""A mutant that computes for so long has been noticed: it does not end."""

PAIRS = (
    (ast.Add, ast.Sub),
    (ast.Eq, ast.NotEq),
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.In, ast.NotIn),
    (ast.Is, ast.IsNot),
    (ast.And, ast.Or),
    (ast.BitOr, ast.BitAnd),
)
OPERATORS: dict[type, type] = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
OPERATORS |= {ast.Mult: ast.Add, ast.Div: ast.Mult}


@dataclass(frozen=True)
class Mutant:
    """A changed source: where, and what was changed."""

    path: str
    line: int
    what: str
    source: str

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")


def places(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes that compute: nothing in errors and annotations, nothing outside functions."""
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise | ast.Assert):
            left_out.update(id(inner) for inner in ast.walk(node))
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                left_out.update(id(inner) for inner in ast.walk(getattr(node, name)))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if id(node) not in left_out:
                    left_out.add(id(node))
                    yield node


def changed(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What one slip makes of a node."""
    new = copy.copy(node)
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in OPERATORS:
        new.op = OPERATORS[type(node.op)]()
        yield f"{type(node.op).__name__} -> {type(new.op).__name__}", new
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        new.ops = [OPERATORS[type(node.ops[0])](), *node.ops[1:]]
        yield f"{type(node.ops[0]).__name__} -> {type(new.ops[0]).__name__}", new
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        new.value = node.value + 1
        yield f"{node.value} -> {new.value}", new
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        new.value = not node.value
        yield f"{node.value} -> {new.value}", new
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        new.test = ast.UnaryOp(ast.Not(), node.test)
        yield "condition negated", new
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield f"{type(node.op).__name__} left out", node.operand
    elif isinstance(node, ast.comprehension) and node.ifs:
        new.ifs = node.ifs[1:]
        yield "filter left out", new


class Replacing(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def mutants_of(path: Path) -> int:
    """How many mutants a source has."""
    return len([1 for node in places(ast.parse(path.read_text(encoding="utf-8"))) for _ in changed(node)])


def mutant(path: Path, number: int) -> Mutant:
    """One mutant of a source."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    node, (what, new) = [(node, made) for node in places(tree) for made in changed(node)][number]
    line = getattr(node, "lineno", getattr(getattr(node, "target", None), "lineno", 0))
    source = ast.unparse(ast.fix_missing_locations(Replacing(node, new).visit(tree)))
    return Mutant(path.relative_to(ROOT).as_posix(), line, what, source)


class Sources(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports some modules from texts."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def find_spec(self, name, path=None, target=None):
        if name not in self.texts:
            return None
        origin = ROOT / f"{name.replace('.', '/')}.py"
        return importlib.util.spec_from_loader(name, self, origin=str(origin))

    def exec_module(self, module) -> None:
        module.__file__ = module.__spec__.origin
        exec(compile(self.texts[module.__name__], module.__spec__.origin, "exec"), module.__dict__)


def without_proof() -> dict[str, str]:
    """A pipeline that proves nothing."""
    text = (ROOT / "symrnn/pipeline.py").read_text(encoding="utf-8")
    text, count = re.subn(r"(?m)^( +)prove_(?:plan|text|model|wiring|calls)\(", r"\1(lambda *_: None)(", text)
    assert count == 6, f"the pipeline proves at {count} places"
    return {"symrnn.pipeline": text}


# -- in a mutant's process -------------------------------------------------------------------------------


def golden_of(name: str) -> str:
    """What differs from the golden files of one cell."""
    from symrnn import zoo
    from symrnn.publishing.building import texts_of

    for file, text in texts_of(zoo.cell(name)).items():
        if (ROOT / "generated" / name / file).read_text(encoding="utf-8") != text:
            return f"golden file {name}/{file}"
    return ""


def noticed_by_tests(group: str) -> str:
    """What notices a mutant: a golden file, else a failing test; empty if nothing does."""
    said = golden_of("gru") or golden_of("lstm_notes")
    if said:
        return said
    names = ("generated", *TESTS[group].split())
    files = [str(path) for name in names for path in TESTS_AT.rglob(f"test_{name}.py")]
    options = ["-x", "-q", "-p", "no:xdist", "-k", f"not ({LEFT_OUT[group]})"]
    return "a test" if pytest.main([*options, *files]) else ""


def plans_of(names: tuple[int, ...]) -> Iterator[tuple[str, Any, Any]]:
    """Every plan of the cells that mutants are tried on, with what the proof needs."""
    from random_cells import random_cell
    from random_sums import random_sum
    from sympy import Eq

    from symrnn import Cell, Input, Parameter, State, Value, axes, derive, mean, tanh, zoo
    from symrnn.planning.checker import check
    from symrnn.planning.lowering import lower
    from symrnn.planning.passes import PASSES

    n, m = axes("n m")
    x, h = Input("x", n), State("h", m)
    W, U, g = Parameter("W", m, n), Parameter("U", m, m), Parameter("g", m)
    a, mu, s = Value("a"), Value("mu"), Value("s")
    norm = Cell(
        "norm",
        Eq(a, W @ x),
        Eq(mu, mean(a)),
        Eq(s, mean((a - mu) ** 2)),
        Eq(h.next, tanh(g * (a - mu) * s + U @ h)),
    )
    cells = [*(zoo.cell(name) for name in zoo.CELLS), zoo.class_cross_entropy, zoo.embedding, norm]
    cells += [random_sum(seed).cell for seed in names] + [random_cell(seed) for seed in names]
    for number, cell in enumerate(cells):
        derivation = derive(cell)
        for save, passes in PASSES.items():
            plan = check(lower(derivation))
            for improve in passes:
                plan = check(improve(plan))
            yield f"{number} {cell.name} {save}", plan, derivation


SEEDS = (1, 2, 3, 4, 5)
OTHER_SIZES = ((5, 8, 3, 7, 4, 6), (1, 2, 4, 3, 5, 6))
"""Sizes of axes that the proof does not take."""


def results_of(plan: Any) -> list[dict[str, Any]]:
    """What a plan computes on floats, at each of the other sizes."""
    from interpretation import parts, random_arguments, run

    found = []
    for lengths in OTHER_SIZES:
        sizes = {axis.name: lengths[i % len(lengths)] for i, axis in enumerate(plan.axes)}
        found.append(parts(run(plan, random_arguments(plan, sizes, T=5, B=3))))
    return found


def known_plans() -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Every plan of the unchanged sources, as text and with what it computes."""
    return {name: (repr(plan), results_of(plan)) for name, plan, _ in plans_of(SEEDS)}


def noticed_by_proof(right: dict[str, tuple[str, list[dict[str, Any]]]]) -> str:
    """What refuses a mutant's plans ("refused ..."), "unchanged", "other ..." or "wrong ..."."""
    import numpy as np

    from symrnn.validation.plans import prove_plan

    other = ""
    for name, plan, derivation in _refusing(plans_of(SEEDS)):
        if isinstance(plan, Exception):
            return f"refused: {type(plan).__name__}"
        text, results = right[name]
        if repr(plan) == text:
            continue
        try:
            prove_plan(plan, derivation, list)
        except Exception as error:  # whatever a wrong plan raises refuses it
            return f"refused: {type(error).__name__}"
        other = name
        for found, wanted in zip(results_of(plan), results, strict=True):
            for part, array in wanted.items():
                if not np.allclose(found[part], array, rtol=1e-9, atol=1e-9, equal_nan=True):
                    return f"wrong: {part} of {name}"
    return f"other: {other}" if other else "unchanged"


def _refusing(plans: Iterator[tuple[str, Any, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """The plans, and last the error of a pass or the checker, if there is one."""
    try:
        yield from plans
    except Exception as error:  # as above
        yield "", error, None


def in_own_process(mutant: Mutant, proof: bool, group: str, right: dict[str, Any]) -> str:
    """What notices a mutant, found out in a forked process."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        with os.fdopen(read) as answer:
            said = answer.read()
        os.waitpid(child, 0)
        return said or "ended by a signal or by time"
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of the processor, however busy the machine is
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.meta_path.insert(0, Sources({mutant.module: mutant.source, **({} if proof else without_proof())}))
    try:
        said = noticed_by_proof(right) if proof else (noticed_by_tests(group) or "survives")
    except BaseException as error:
        said = f"{type(error).__name__} at {traceback.extract_tb(error.__traceback__)[-1].name}"
    os.write(write, said.encode())
    os._exit(0)


def main(
    sample: Annotated[int, typer.Option(help="How many mutants.")] = 200,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 0,
    proof: Annotated[bool, typer.Option(help="Planning alone, noticed by checker and proof alone.")] = False,
    part: Annotated[str, typer.Option(help="1/2 and 2/2 share the work of two processes.")] = "1/1",
    skip: Annotated[int, typer.Option(help="So many of the sample were tried before.")] = 0,
) -> None:
    """Try a random sample of mutants and say which survive."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.chdir(ROOT)
    groups = {"planning": GROUPS["planning"]} if proof else GROUPS
    found: list[tuple[str, Path]] = []
    for group, patterns in groups.items():
        for pattern in patterns:
            found += [(group, path) for path in sorted(ROOT.glob(pattern)) if path.name not in NOT_MUTATED]
    every = [(group, path, number) for group, path in found for number in range(mutants_of(path))]
    chosen = random.Random(seed).sample(every, min(sample, len(every)))[skip:]
    mine, parts = (int(number) for number in part.split("/"))
    right = {}
    if proof:
        read, write = os.pipe()
        if not os.fork():
            with os.fdopen(write, "wb") as out:
                pickle.dump(known_plans(), out)
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as made:
            right = pickle.load(made)
    for group, path, _ in {group: task for task in chosen for group in task[:1]}.values():
        unchanged = Mutant(path.relative_to(ROOT).as_posix(), 0, "nothing", path.read_text(encoding="utf-8"))
        said = in_own_process(unchanged, proof, group, right)
        if said not in ("survives", "unchanged"):
            raise SystemExit(f"Without any change, {group} is not well: {said}. Mend that first.")
    counts: dict[str, int] = {}
    started = time.time()
    for group, path, number in chosen[mine - 1 :: parts]:
        tried = mutant(path, number)
        said = in_own_process(tried, proof, group, right)
        kind = said.partition(":")[0] if proof else ("survives" if said == "survives" else "caught")
        counts[kind] = counts.get(kind, 0) + 1
        typer.echo(f"{kind:10} {tried.path}:{tried.line} {tried.what}: {said}")
    typer.echo(
        f"{len(every)} mutants, {sum(counts.values())} tried in {time.time() - started:.0f} s: {counts}"
    )


if __name__ == "__main__":
    typer.run(main)
