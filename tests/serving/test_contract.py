"""The service keeps what its OpenAPI document promises, whatever a client makes up."""

import pytest

pytest.importorskip("schemathesis", reason="makes requests up from the OpenAPI document")

import schemathesis
from hypothesis import HealthCheck, given, settings

from distill_jax.serving.app import App
from distill_jax.serving.limits import Limits
from distill_jax.serving.models import read_models


@pytest.fixture(scope="module")
def contract(packed):
    models = read_models([packed["linear"], packed["several"], packed["score"]])
    return schemathesis.openapi.from_asgi("/openapi.json", App(models, Limits(max_texts=20, max_characters=50)))


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_request_gets_what_the_document_does_not_promise(contract, mode):
    checked = []
    for found in contract.get_all_operations():
        operation = found.ok()
        if mode is schemathesis.GenerationMode.NEGATIVE and not operation.body:
            continue  # there is nothing to get wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        def keeps_its_promise(case):
            case.call_and_validate()

        keeps_its_promise()
        checked.append(operation.label)
    assert "POST /models/score/predict" in checked
