"""HTML pages that need nothing else: their templates share one style sheet."""

from collections.abc import Callable
from typing import Any

import jinja2


def page_template(name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """One of the templates of this package; ``filters`` are known in it by their names."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("converter", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(filters)
    return environment.get_template(name)
