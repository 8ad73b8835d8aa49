"""Schemathesis against our own description: nothing fails, and every answer is as described."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from shop_front import Front

from cloud_conductor.governance.access import ROLES
from cloud_conductor.serve.openapi import document

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]
EXAMPLES = 4
NOT_FUZZED = {
    "post_backfills": "a year's sweep of a simulator takes longer than it teaches",
}
OPERATIONS = {
    found.definition.raw["operationId"]: found
    for result in schemathesis.openapi.from_dict(document()).get_all_operations()
    for found in [result.ok()]
}


@pytest.fixture(scope="module")
def everything(front: Front):
    """A key of every role; a fuzzer may ask as often as it likes."""
    limits = front.api.door.limits
    before, limits.per_minute = limits.per_minute, 1_000_000
    with front.program(ROLES) as program:
        yield program
    limits.per_minute = before


def test_the_description_has_every_endpoint():
    assert len(OPERATIONS) > 60


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - set(NOT_FUZZED)))
def test_every_answer_is_as_described(front: Front, everything, name: str, mode: GenerationMode):
    operation = OPERATIONS[name]

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case) -> None:
        if operation.method != "get" and not case.headers.get("Idempotency-Key"):
            case.headers["Idempotency-Key"] = "a-key-of-the-fuzzer"
        answer = case.call_and_validate(
            base_url=front.url, headers=everything.headers, checks=CHECKS, timeout=60
        )
        assert answer.status_code != 500

    ask()
