"""What commands use of the rooms, each room loaded when a command asks for something in it first.

So the command line can be read, helped with and completed without them.
"""

from typing import TYPE_CHECKING

from symrnn.places import attributes, places_of

if TYPE_CHECKING:
    from symrnn.bench.data import parse_sizes as parse_sizes
    from symrnn.bench.data import require_size as require_size
    from symrnn.bench.figure import bench_figure as bench_figure
    from symrnn.bench.machine import installed_peers as installed_peers
    from symrnn.bench.machine import require_peers as require_peers
    from symrnn.bench.results import Settings as Settings
    from symrnn.bench.session import announced as announced
    from symrnn.bench.session import run_bench as run_bench
    from symrnn.bench.tables import print_bench as print_bench
    from symrnn.checking.check import dtype_name as dtype_name
    from symrnn.checking.proof import check_loaded as check_loaded
    from symrnn.checking.proof import problem_for as problem_for
    from symrnn.commands.difference_text import print_comparison as print_comparison
    from symrnn.commands.model_text import model_text as model_text
    from symrnn.commands.terminal import cell_text as cell_text
    from symrnn.commands.terminal import print_builds as print_builds
    from symrnn.commands.terminal import print_report as print_report
    from symrnn.commands.terminal import print_weights as print_weights
    from symrnn.distributed.engines import COPIES as COPIES
    from symrnn.distributed.engines import SHARDS as SHARDS
    from symrnn.distributed.processes import joined as joined
    from symrnn.distributed.session import prepare_distributed as prepare_distributed
    from symrnn.distributed.session import shards_of as shards_of
    from symrnn.gradients.figure import gradients_figure as gradients_figure
    from symrnn.gradients.flow import flows_json as flows_json
    from symrnn.gradients.flow import gradient_flows as gradient_flows
    from symrnn.gradients.request import GradientRequest as GradientRequest
    from symrnn.gradients.request import parse_changes as parse_changes
    from symrnn.gradients.tables import print_gradients as print_gradients
    from symrnn.kernels.targets import ARRAY_TARGETS as ARRAY_TARGETS
    from symrnn.kernels.targets import require_array_target as require_array_target
    from symrnn.kernels.targets import require_target as require_target
    from symrnn.layouts.reading import parse_sizes_of_layers as parse_sizes_of_layers
    from symrnn.layouts.reading import read as read
    from symrnn.layouts.storing import save as save
    from symrnn.mathematics.style import Style as Style
    from symrnn.models.model import Model as Model
    from symrnn.onnx_graphs.files import write_graphs as write_graphs
    from symrnn.papers.web.difference import difference_page as difference_page
    from symrnn.pipeline import derive as derive
    from symrnn.pipeline import emit as emit
    from symrnn.pipeline import plan as plan
    from symrnn.planning.passes import require_save as require_save
    from symrnn.publishing.building import STEPS_PER_CELL as STEPS_PER_CELL
    from symrnn.publishing.building import build as build
    from symrnn.publishing.building import require_different_names as require_different_names
    from symrnn.publishing.building import unwritten as unwritten
    from symrnn.publishing.pages import require_pages as require_pages
    from symrnn.publishing.pages import write_pages as write_pages
    from symrnn.publishing.pictures import require_figure_name as require_figure_name
    from symrnn.publishing.typesetting import NO_TEX as NO_TEX
    from symrnn.publishing.typesetting import find_pdflatex as find_pdflatex
    from symrnn.publishing.typesetting import typeset as typeset
    from symrnn.running.cells import cells_of as cells_of
    from symrnn.running.cells import find_cell as find_cell
    from symrnn.running.cells import find_declared as find_declared
    from symrnn.running.loading import load as load
    from symrnn.training.display import print_line as print_line
    from symrnn.training.display import training_progress as training_progress
    from symrnn.training.session import prepare_training as prepare_training
    from symrnn.training.session import sampled as sampled
    from symrnn.training.trainer import DivergenceError as DivergenceError
    from symrnn.training.trainer import InterruptedTrainingError as InterruptedTrainingError
    from symrnn.writing import diff as diff
    from symrnn.writing import latex as latex

NAMES = {
    "symrnn.bench.data": "parse_sizes require_size",
    "symrnn.bench.figure": "bench_figure",
    "symrnn.bench.machine": "installed_peers require_peers",
    "symrnn.bench.results": "Settings",
    "symrnn.bench.session": "announced run_bench",
    "symrnn.bench.tables": "print_bench",
    "symrnn.checking.check": "dtype_name",
    "symrnn.checking.proof": "check_loaded problem_for",
    "symrnn.commands.difference_text": "print_comparison",
    "symrnn.commands.model_text": "model_text",
    "symrnn.commands.terminal": "cell_text print_builds print_report print_weights",
    "symrnn.distributed.engines": "COPIES SHARDS",
    "symrnn.distributed.processes": "joined",
    "symrnn.distributed.session": "prepare_distributed shards_of",
    "symrnn.gradients.figure": "gradients_figure",
    "symrnn.gradients.flow": "flows_json gradient_flows",
    "symrnn.gradients.request": "GradientRequest parse_changes",
    "symrnn.gradients.tables": "print_gradients",
    "symrnn.kernels.targets": "ARRAY_TARGETS require_array_target require_target",
    "symrnn.layouts.reading": "parse_sizes_of_layers read",
    "symrnn.layouts.storing": "save",
    "symrnn.mathematics.style": "Style",
    "symrnn.models.model": "Model",
    "symrnn.onnx_graphs.files": "write_graphs",
    "symrnn.papers.web.difference": "difference_page",
    "symrnn.pipeline": "derive emit plan",
    "symrnn.planning.passes": "require_save",
    "symrnn.publishing.building": "STEPS_PER_CELL build require_different_names unwritten",
    "symrnn.publishing.pages": "require_pages write_pages",
    "symrnn.publishing.pictures": "require_figure_name",
    "symrnn.publishing.typesetting": "NO_TEX find_pdflatex typeset",
    "symrnn.running.cells": "cells_of find_cell find_declared",
    "symrnn.running.loading": "load",
    "symrnn.training.display": "print_line training_progress",
    "symrnn.training.session": "prepare_training sampled",
    "symrnn.training.trainer": "DivergenceError InterruptedTrainingError",
    "symrnn.writing": "diff latex",
}
"""Names by the module in which they are."""

if not TYPE_CHECKING:  # type checkers see what is imported above, and nothing else
    __getattr__ = attributes(__name__, places_of(NAMES))
