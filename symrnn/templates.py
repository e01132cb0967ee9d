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
from functools import lru_cache
from pathlib import Path

import jinja2
from jinja2 import meta, nodes
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
        wanted = _wanted(environment, template, ())
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


def environment_for(template: str, folder: Path) -> jinja2.Environment:
    """The Jinja environment, with the delimiters that the template's name asks for."""
    is_tex, is_html = template.endswith(".tex.jinja"), template.endswith(".html.jinja")
    return _environment(folder, is_tex, is_html)


@lru_cache
def _environment(folder: Path, is_tex: bool, is_html: bool) -> jinja2.Environment:
    """One environment for each kind of template in a folder: it keeps what it has compiled."""
    return jinja2.Environment(
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
    _, references = _names(environment, source, template)
    return frozenset(re.findall(r"\w+", source)).union(*(words(other) for other, _ in references))


def _wanted(environment: jinja2.Environment, template: str, path: tuple[str, ...]) -> set[str]:
    """The names that a template needs from outside, its parents and its includes counted in."""
    if template in path:
        return set()
    if environment.loader is None:
        raise EmissionError(f"There is no folder for the template {template!r}.")
    source, _, _ = environment.loader.get_source(environment, template)
    own, references = _names(environment, source, template)
    names = set(own)
    for other, bound in references:
        names |= _wanted(environment, other, (*path, template)) - bound
    return names


@lru_cache
def _names(
    environment: jinja2.Environment, source: str, template: str
) -> tuple[frozenset[str], tuple[tuple[str, frozenset[str]], ...]]:
    """The names that a template's own text needs from outside, and what it refers to, with bound names."""
    tree = environment.parse(source, name=template)
    return frozenset(meta.find_undeclared_variables(tree)), tuple(_references(tree, frozenset()))


def _references(node: nodes.Node, bound: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """The templates that a tree extends, includes or imports, and the loop variables in force there."""
    other = getattr(node, "template", None)  # of what extends, includes or imports it
    if other is not None:
        if not (isinstance(other, nodes.Const) and isinstance(other.value, str)):
            raise EmissionError(f"Line {node.lineno} of a template names another one by an expression.")
        yield other.value, bound
    if isinstance(node, nodes.For):
        bound |= {name.name for name in node.find_all(nodes.Name) if name.ctx == "store"}
    for child in node.iter_child_nodes():
        yield from _references(child, bound)


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
        if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
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
