"""The description of the language: current, complete, and cheap not to ask for."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import stress.config
from stress.config import load, schema
from stress.config.reference import PAGE, SCHEMA_FILE, models, page, schema_text
from stress.config.types import fields

ROOT = Path(__file__).parents[2]
SMALL = Path(__file__).parents[1] / "configs" / "small.yaml"
RENEW = "renew it with `python -m stress.config.reference`"


def test_the_committed_schema_is_current():
    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text(), RENEW


def test_the_committed_page_is_current():
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert page(text) == text, RENEW


def test_every_key_says_what_it_means():
    for path, model in models():
        assert model.__doc__, path
        for key, field in fields(model).items():
            described = field.description or any(fields(part) for part in (field.annotation,))
            assert described or key == "kind", f"{path}.{key}"


def test_the_schema_speaks_of_what_a_user_writes():
    described = schema()
    assert described["$schema"].endswith("2020-12/schema")
    assert "extends" in described["properties"]
    assert "run" in described["then"]["required"]
    fund = described["$defs"]["Venue"]["properties"]["insurance_fund"]
    assert re.search(fund["pattern"], "$1.23B")
    assert not re.search(fund["pattern"], "1230000000")
    closing = described["$defs"]["Venue"]["properties"]["closing_share"]
    assert closing["default"] == "70%"
    assert json.loads(schema_text()) == described


def test_the_page_explains_every_model():
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    for path, _ in models():
        assert f"### `{path}`" in text or not path


def test_examples_in_the_page_are_read(tmp_path):
    example = re.search(r"```yaml\n(.*?)```", (ROOT / PAGE).read_text(encoding="utf-8"), re.DOTALL).group(1)
    file = tmp_path / "example.yaml"
    file.write_text(example.replace("market-2025-10.yaml", str(SMALL)).replace("over: 30m", "over: 20m"))
    assert load(file).overlays[0].name == "half the news"


def test_importing_the_package_is_cheap():
    code = "import sys, stress.config, stress.errors, stress.units; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"pydantic", "yaml", "numpy"} & set(done.stdout.split())


def test_unknown_names_are_unknown():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = stress.config.lode
    assert all(hasattr(stress.config, name) for name in stress.config.__all__)
