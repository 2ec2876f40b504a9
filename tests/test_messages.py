import json
import re
from typing import Any

import jsonschema
import pytest

from facemask_edge.clock import clock_is_synchronized, utc_now
from facemask_edge.identifiers import uuid7
from facemask_edge.manifest import ModelEntry, ModelInput
from facemask_edge.messages import SCHEMA_FILE, Topics, people_payload, violation_payload
from facemask_edge.values import Box, Label, Track, Violation

MODEL = ModelEntry(
    name="mask_classifier",
    file="a.tflite",
    sha256="0" * 64,
    input=ModelInput(width=224, height=224, channels="RGB"),
    licence="Apache-2.0",
    command="convert-model",
)
TRACK = Track("track-1", Box(-4.4, 10.2, 50.0, 60.0), 0.9)
SIZE = 640, 480


def complete(violation: Violation) -> dict[str, Any]:
    payload = violation_payload(violation, SIZE, device="pi", camera="door", model=MODEL)
    return payload | {"stream": "5be0b1a0-0000-4000-8000-000000000000", "sequence": 1}


START = Violation("violation_start", uuid7(), TRACK, 0.98765, 6, 1.0)
END = Violation("violation_end", START.id, TRACK, 0.9, 16, 4.2, 3.2, "left")


@pytest.fixture
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("violation", [START, END])
def test_a_violation_is_what_the_schema_says(violation: Violation, validator: jsonschema.Draft202012Validator) -> None:
    payload = complete(violation)
    validator.validate(payload)
    assert payload["face"] == {"x": 0, "y": 10, "width": 46, "height": 60}
    assert payload["frame"] == {"width": 640, "height": 480}
    assert payload["id"] == START.id


def test_only_an_end_has_a_duration_and_a_reason(validator: jsonschema.Draft202012Validator) -> None:
    assert complete(END)["duration_s"] == 3.2
    assert complete(END)["reason"] == "left"
    assert not validator.is_valid(complete(START) | {"reason": "left"})
    assert not validator.is_valid({key: value for key, value in complete(END).items() if key != "reason"})
    assert not validator.is_valid(complete(END) | {"reason": "bored"})
    assert not validator.is_valid(complete(START) | {"extra": 1})


def test_topics_are_those_of_the_contract() -> None:
    topics = Topics("facemask", "pi")
    assert topics.status == "facemask/pi/status"
    assert topics.violation("door") == "facemask/pi/door/violation"
    assert topics.people("door") == "facemask/pi/door/people"
    assert topics.order("enabled") == "facemask/pi/enabled/set"
    assert topics.name_of_order("facemask/pi/enabled/set") == "enabled"
    assert topics.switch("enabled") == "facemask/pi/enabled/state"
    assert topics.error == "facemask/pi/error"


def test_people_are_counted_by_label() -> None:
    labels = [Label.MASK, Label.NO_MASK, Label.MASK]
    assert json.loads(people_payload(labels, 3)) == {"mask": 2, "no_mask": 1, "undetermined": 0, "violations": 3}


def test_uuid7_sorts_by_time_and_never_repeats() -> None:
    made = [uuid7() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert [each[:13] for each in made] == sorted(each[:13] for each in made)
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(each) for each in made)


def test_time_is_utc_with_milliseconds() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", utc_now())
    assert clock_is_synchronized() in (True, False)
