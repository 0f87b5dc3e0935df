import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from monitor.indicators.models import Correction
from monitor.indicators.schema import KINDS, outdated, render, write_schemas
from monitor.settings import REPOSITORY

from .conftest import Definitions

FOLDERS = {
    "parties": "parties.yaml",
    "theme": "themes/*.yaml",
    "series": "series/*.yaml",
    "population": "populations/*.yaml",
    "indicator": "indicators/*.yaml",
    "correction": "corrections/*.yaml",
}


def test_the_committed_schemas_follow_from_the_models() -> None:
    assert outdated(REPOSITORY / "definitions" / "schema") == []


def test_writing_again_changes_nothing(definitions: Definitions) -> None:
    folder = definitions.folder / "schema"
    assert len(write_schemas(folder)) == len(KINDS)
    assert write_schemas(folder) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_committed_definition_is_valid_by_its_schema_too(kind: str) -> None:
    schema = json.loads(render(kind))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    files = sorted((REPOSITORY / "definitions").glob(FOLDERS[kind]))
    assert files or kind == "correction"  # there need not be a known error
    for file in files:
        # as JSON, where a date is text
        data = json.loads(json.dumps(yaml.safe_load(file.read_text("utf-8")), default=str))
        assert [error.message for error in validator.iter_errors(data)] == [], file.name


def test_the_worked_example_of_a_correction_is_valid() -> None:
    text = (REPOSITORY / "definitions/corrections/LEESMIJ.md").read_text("utf-8")
    (example,) = re.findall(r"(?s)```yaml\n(.*?)```", text)
    data = json.loads(json.dumps(yaml.safe_load(example), default=str))
    Draft202012Validator(json.loads(render("correction"))).validate(data)
    Correction.model_validate(data)


def test_every_field_of_an_indicator_explains_itself_in_an_editor() -> None:
    schema = json.loads(render("indicator"))
    bare = [
        name for name, field in schema["properties"].items() if not field.keys() & {"title", "$ref"}
    ]
    assert bare == []
    assert "kleine letters" in schema["properties"]["id"]["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_definition_names_its_schema_for_the_editor(kind: str) -> None:
    for file in (REPOSITORY / "definitions").glob(FOLDERS[kind]):
        first = file.read_text("utf-8").splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (file.parent / first.split("=", 1)[1]).resolve().name == f"{kind}.schema.json"
