"""The one door to Jinja: a template's name and its ready values in, text out.

Templates place lines, they do not think. So what goes in is checked here: every name that a template
(or one that it extends or includes) uses must be given, nothing else may be given, and a value is a
string, a bool, a tuple, or a frozen record of these.

Files called `*.tex.jinja` write `<< name >>`, `<% for ... %>` and `<# comment #>`, because TeX is full of
braces and percent signs; all others write `{{ name }}`, `{% for ... %}` and `{# comment #}`.

In files called `*.html.jinja` every string is text and is escaped, except what is HTML already and says so
by its type: `Markup`.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup

from symrnn.errors import EmissionError

__all__ = ["Markup", "environment_for", "parse", "render", "template_folder", "words"]

PLAIN_DELIMITERS = ("{%", "%}", "{{", "}}", "{#", "#}")
TEX_DELIMITERS = ("<%", "%>", "<<", ">>", "<#", "#>")


def render(template: str, context: Mapping[str, object], *, folder: Path | None = None) -> str:
    """The text of `template` with the values of `context` in their places.

    `folder` holds the templates; without it, symrnn's own.

    Raises:
        EmissionError: a name that the template uses is missing from `context`, one in `context` is not
            used, a value is of a kind that a template may not see, or the template is missing or wrong.

    """
    environment = environment_for(template, folder or template_folder())
    try:
        wanted = environment.wanted(template)
        _check_keys(template, wanted, set(context))
        for key, value in context.items():
            _check_value(template, key, value)
        return environment.get_template(template).render(context)
    except jinja2.TemplateNotFound as error:
        raise EmissionError(f"There is no template {error.name!r} (needed for {template!r}).") from error
    except jinja2.TemplateError as error:
        raise EmissionError(f"The template {template!r} cannot be rendered: {error}.") from error


def template_folder() -> Path:
    """The folder of symrnn's templates: inside an installed package, at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "_templates"  # first, because site-packages/templates may be somebody else's
    return installed if installed.is_dir() else package.parent / "templates"


def environment_for(template: str, folder: Path) -> "Environment":
    """The Jinja environment, with the delimiters that the template's name asks for."""
    is_tex, is_html = template.endswith(".tex.jinja"), template.endswith(".html.jinja")
    return _environment(folder, is_tex, is_html)


@lru_cache
def _environment(folder: Path, is_tex: bool, is_html: bool) -> "Environment":
    """One environment for each kind of template in a folder: it keeps what it has compiled."""
    return Environment(
        *(TEX_DELIMITERS if is_tex else PLAIN_DELIMITERS),
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=is_html,  # the others are source code and TeX
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def parse(template: str, folder: Path | None = None) -> nodes.Template:
    """The syntax tree of a template."""
    environment = environment_for(template, folder or template_folder())
    if environment.loader is None:
        raise EmissionError(f"There is no folder for the template {template!r}.")
    source, _, _ = environment.loader.get_source(environment, template)
    return environment.parse(source, name=template)


def words(template: str) -> frozenset[str]:
    """All words of a template's own text, and of what it extends or includes."""
    environment = environment_for(template, template_folder())
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, template)
    others = [other for other, _ in environment.notes(template).references]
    return frozenset(re.findall(r"\w+", source)).union(*map(words, others))


@dataclass(frozen=True, slots=True)
class _Notes:
    """The names that a template's own text needs from outside, and what it refers to, with bound names."""

    names: set[str] = dataclasses.field(default_factory=set)
    references: list[tuple[str, frozenset[str]]] = dataclasses.field(default_factory=list)


class _NotingGenerator(CodeGenerator):
    """Jinja's compiler, which notes meanwhile what a template needs."""

    environment: "Environment"

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        """Compile a template, and begin its notes."""
        self.environment.noted[str(self.name)] = _Notes(references=[*_references(node, ())])
        super().visit_Template(node, frame)

    def enter_frame(self, frame: Frame) -> None:
        """Compile what binds names, and note those that nothing binds."""
        super().enter_frame(frame)
        unbound = {name for action, name in frame.symbols.loads.values() if action == "resolve" and name}
        self.environment.noted[str(self.name)].names.update(unbound - self.environment.globals.keys())


class Environment(jinja2.Environment):
    """Jinja with notes of what each template that it has compiled needs."""

    code_generator_class = _NotingGenerator

    def __init__(self, *syntax: Any, **options: Any) -> None:
        """Note nothing yet."""
        super().__init__(*syntax, **options)
        self.noted: dict[str, _Notes] = {}

    def notes(self, template: str) -> _Notes:
        """What a template needs, by its text of now."""
        self.get_template(template)
        return self.noted[template]

    def wanted(self, template: str, path: tuple[str, ...] = ()) -> set[str]:
        """The names that a template needs from outside, its parents and its includes counted in."""
        if template in path:
            return set()
        notes = self.notes(template)
        others = (self.wanted(other, (*path, template)) - bound for other, bound in notes.references)
        return notes.names.union(*others)


def _references(node: nodes.Node, loops: tuple[nodes.For, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    """The templates that a tree extends, includes or imports, and the loop variables in force there."""
    other = getattr(node, "template", None)  # of what extends, includes or imports it
    if other is not None:
        if not (isinstance(other, nodes.Const) and isinstance(other.value, str)):
            raise EmissionError(f"Line {node.lineno} of a template names another one by an expression.")
        names = (name for loop in loops for name in loop.find_all(nodes.Name))
        yield other.value, frozenset(name.name for name in names if name.ctx == "store")
    if isinstance(node, nodes.For):
        loops = (*loops, node)
    for child in node.iter_child_nodes():
        if not isinstance(child, nodes.Expr):
            yield from _references(child, loops)


def _check_keys(template: str, wanted: set[str], given: set[str]) -> None:
    missing, surplus = sorted(wanted - given), sorted(given - wanted)
    if missing:
        raise EmissionError(f"The template {template!r} needs {', '.join(missing)}, which is not given.")
    if surplus:
        raise EmissionError(f"The template {template!r} does not use {', '.join(surplus)}. Do not give it.")


def _check_value(template: str, where: str, value: object) -> None:
    """Raise unless `value` is text, a ready boolean, a tuple, or a frozen record of these."""
    if isinstance(value, str | bool):
        return
    if isinstance(value, tuple):
        for position, item in enumerate(value):
            _check_value(template, f"{where}[{position}]", item)
        return
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        if kind.__setattr__ is object.__setattr__:
            raise EmissionError(
                f"The template {template!r} is given {where}, a {kind.__name__} that can change."
            )
        for field in dataclasses.fields(kind):
            _check_value(template, f"{where}.{field.name}", getattr(value, field.name))
        return
    raise EmissionError(
        f"The template {template!r} is given {where} = {value!r}. Templates take strings, booleans, tuples "
        "and frozen records of these: turn it into text first."
    )
