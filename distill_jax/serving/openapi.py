"""The service's OpenAPI document: every path with what it takes and gives."""

from collections.abc import Mapping, Sequence
from typing import Any

import distill_jax
from distill_jax.serving.bodies import JSON, LINES, PLAIN
from distill_jax.serving.limits import Limits
from distill_jax.serving.models import Model

_TEXT = "A charming little film."
_REFUSALS = {
    400: "No JSON, or no UTF-8.",
    408: "The client began a body and did not go on.",
    413: "The body is too large.",
    415: "Another type of content.",
    422: "Another value than texts, or more than the limits allow.",
    429: "Too many requests are under way.",
}


def openapi(models: Sequence[Model], limits: Limits) -> dict[str, Any]:
    """Return the document, as JSON values.

    Args:
        models: the students; the first one answers at ``/predict`` too.
        limits: what a client may ask for.
    """
    texts = {
        "type": "array",
        "maxItems": limits.max_texts,
        "items": {"type": "string", "maxLength": limits.max_characters},
        "example": [_TEXT],
    }
    paths: dict[str, Any] = {}
    for model in models:
        for prefix in ("", f"/models/{model.name}") if model is models[0] else (f"/models/{model.name}",):
            paths[f"{prefix}/predict"] = {"post": _predict(model)}
            paths[f"{prefix}/explain"] = {"post": _explain(model)}
            paths[f"{prefix}/info"] = _get(f"What the file of {model.name} says: hash, scores, provenance.", JSON)
    paths |= {
        "/models": _get("The students’ names.", JSON),
        "/health": _get("Whether the process lives.", JSON),
        "/ready": _get("Whether it takes requests; 503 while it drains.", JSON, {503: "It is draining."}),
        "/metrics": _get("Counters and drift, in Prometheus’s text format.", PLAIN),
        "/": _get("A page to try it.", "text/html"),
        "/docs": _get("This document as a page.", "text/html"),
        "/openapi.json": _get("This document.", JSON),
    }
    schemas = {
        "Texts": {
            "type": "object",
            "required": ["texts"],
            "additionalProperties": False,
            "properties": {"texts": texts},
        },
        "FewTexts": {**_object(texts={**texts, "maxItems": limits.max_explained}), "additionalProperties": False},
        "Error": _object(error={"type": "string"}),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "distill-jax", "version": distill_jax.__version__, "description": _description(limits)},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _description(limits: Limits) -> str:
    return (
        f"Students that answer. A request has at most {limits.max_body_bytes:,} bytes and {limits.max_texts:,} texts "
        f'of {limits.max_characters:,} characters. What is refused gets one sentence, as {{"error": …}}.'
    )


def _predict(model: Model) -> dict[str, Any]:
    answer = _answer_schema(model)
    return {
        "summary": f"What {model.name} says of each text.",
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"$ref": "#/components/schemas/Texts"}},
                PLAIN: {"schema": {"type": "string"}, "example": f"{_TEXT}\n"},
                LINES: {"schema": {"type": "string"}, "example": f'{{"text": "{_TEXT}"}}\n'},
            },
        },
        "responses": {
            "200": {
                "description": "An answer for each text: as one object, or a line of JSON for each line.",
                "content": {
                    JSON: {"schema": _object(predictions={"type": "array", "items": answer})},
                    LINES: {"schema": {"type": "string"}},
                },
            },
            **_errors(_REFUSALS),
        },
    }


def _explain(model: Model) -> dict[str, Any]:
    return {
        "summary": f"What each word did to the answer of {model.name}.",
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/FewTexts"}}},
        },
        "responses": {
            "200": {
                "description": "An explanation for each text.",
                "content": {JSON: {"schema": _object(explanations={"type": "array"})}},
            },
            **_errors(_REFUSALS),
        },
    }


def _answer_schema(model: Model) -> dict[str, Any]:
    task, names = model.predictor.task, list(model.predictor.label_names)
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    probabilities = _object(**dict.fromkeys(names, probability))
    if task.has_classes:
        return _object(label={"type": "string", "enum": names}, probabilities=probabilities)
    if len(names) == 1:
        return {"type": "object"}
    return _object(labels={"type": "array", "items": {"type": "string", "enum": names}}, probabilities=probabilities)


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _get(summary: str, media_type: str, refusals: Mapping[int, str] | None = None) -> dict[str, Any]:
    kind = "object" if media_type == JSON else "string"
    found = {"description": summary, "content": {media_type: {"schema": {"type": kind}}}}
    return {"get": {"summary": summary, "responses": {"200": found, **_errors(refusals or {})}}}


def _errors(refusals: Mapping[int, str]) -> dict[str, Any]:
    schema = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {str(status): {"description": words, "content": schema} for status, words in refusals.items()}
