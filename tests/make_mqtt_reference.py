"""Writes health-1.json from its model, and the tables of docs/mqtt.md from the schemas.

python -m tests.make_mqtt_reference
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from facemask_edge import health_message, messages
from facemask_edge.health_message import HEALTH_SCHEMA, HealthMessage
from facemask_edge.orders import ACTIONS, PRESS
from facemask_edge.switches import SWITCHES, Number, OnOff
from tests.conftest import ROOT
from tests.make_model_figures import filled

VIOLATION, HEALTH = messages.SCHEMA_FILE, health_message.SCHEMA_FILE
PAGE = ROOT / "docs" / "mqtt.md"
BEGIN = "<!-- keys of {}: make docs -->\n"
ORDERS = "<!-- switches and actions: make docs -->\n"
Schema = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """Without a title at each key that only repeats its name."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's own signature
        return False


def health_schema() -> str:
    """What health-1.json holds."""
    schema = HealthMessage.model_json_schema(mode="serialization", schema_generator=_Plain)
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": HEALTH_SCHEMA}
    return json.dumps(head | schema, indent=2) + "\n"


def page() -> str:
    """docs/mqtt.md with the tables."""
    text = PAGE.read_text()
    for file in (VIOLATION, HEALTH):
        text = filled(text, BEGIN.format(file.name), table(json.loads(file.read_text())))
    return filled(text, ORDERS, orders())


def orders() -> str:
    """What can be ordered, and how."""
    rows = [(name, _order(switch), switch.description) for name, switch in SWITCHES.items()]
    rows += [(name, f"`{PRESS}`", description) for name, description in ACTIONS.items()]
    header = "\n| name | order | what it does |\n| --- | --- | --- |\n"
    return header + "".join(f"| `{name}` | {order} | {description} |\n" for name, order, description in rows) + "\n"


def _order(switch: OnOff | Number) -> str:
    if isinstance(switch, Number):
        return f"a number from {switch.minimum:g} to {switch.maximum:g}"
    return "`ON` or `OFF`"


def table(schema: Schema) -> str:
    """The keys of a message, those inside others with their path."""
    return "\n| key | values | meaning |\n| --- | --- | --- |\n" + "".join(_rows(schema, schema, "")) + "\n"


def _rows(schema: Schema, root: Schema, prefix: str) -> Iterator[str]:
    for key, described in schema["properties"].items():
        value, is_nullable = _resolved(described, root)
        path = f"{prefix}{key}"
        if "description" in described:
            null = ", null" if is_nullable else ""
            yield f"| `{path}` | {_values(value)}{null} | {described['description']} |\n"
        for inside, name in _inside(value, key):
            inner, _ = _resolved(inside, root)
            if "properties" in inner:
                yield from _rows(inner, root, f"{path}{name}.")


def _inside(value: Schema, key: str) -> Iterator[tuple[Schema, str]]:
    """The forms of what a value holds, each with what the path goes on with."""
    if "properties" in value:
        yield value, ""
    if isinstance(named := value.get("additionalProperties"), dict):
        yield named, f".<{key.partition('_')[0].removesuffix('s')}>"
    if "items" in value:
        yield value["items"], "[]"


def _resolved(schema: Schema, root: Schema) -> tuple[Schema, bool]:
    """What a reference leads to, and whether the value may be null instead."""
    choices = schema.get("anyOf", [schema])
    value = next(choice for choice in choices if choice.get("type") != "null")
    if reference := value.get("$ref"):
        value = root["$defs"][reference.rpartition("/")[2]]
    return value, len(choices) > 1


def _values(schema: Schema) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return str(schema["type"])


if __name__ == "__main__":
    HEALTH.write_text(health_schema())
    PAGE.write_text(page())
