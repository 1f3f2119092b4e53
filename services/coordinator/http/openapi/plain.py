"""The three plain calls and the problem in the document."""

from services.coordinator.http.openapi.schemas import Schema, nullable
from services.coordinator.http.plain_event import IMPRESSION
from services.coordinator.http.plain_feedback import WORDS
from services.coordinator.http.plain_recommendations import LISTS
from services.coordinator.http.response import JSON
from shared.event_types import NAMES
from shared.limits import MAX_ID


def _object(description: str, required: list[str], properties: dict[str, Schema]) -> Schema:
    """Return the schema of a request's object; a field that is not required may be null as well."""
    return {
        "type": "object",
        "description": description,
        "properties": {name: schema if name in required else nullable(schema) for name, schema in properties.items()},
        "required": required,
        "additionalProperties": False,
    }


_ID: Schema = {
    "description": "The platform's id, as text or whole number.",
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": MAX_ID}, {"type": "integer"}],
}
_TIME: Schema = {
    "description": "ISO 8601, or seconds or milliseconds since 1970; default now.",
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}],
}
_AMOUNT: Schema = {"description": "A decimal amount in `currency`.", "type": ["number", "string"]}
_TEXT: Schema = {"type": "string"}
_CONSENT: Schema = {
    "type": "boolean",
    "description": "Whether the shopper allows a cookie. With true, a visitor without an id gets one.",
}
_ITEM: Schema = _object(
    "A product and how much of it.",
    ["product_id"],
    {
        "product_id": _ID,
        "quantity": {"type": "number", "exclusiveMinimum": 0},
        "amount": _AMOUNT | {"description": "What was paid for the line."},
        "price": _AMOUNT | {"description": "What was paid for one unit."},
    },
)
_NULLABLE_TEXT: Schema = {"type": ["string", "null"]}
_CARD: Schema = {
    "type": "object",
    "description": "What a product card shows.",
    "properties": {
        "recommendation_id": _TEXT | {"description": "Give it back in events and feedback."},
        "product_id": _TEXT,
        "name": _TEXT,
        "price": _NULLABLE_TEXT | {"description": "Price of one unit as a decimal, such as `19.99`."},
        "currency": _NULLABLE_TEXT | {"description": "ISO 4217 code of the price."},
        "price_minor": {"type": ["integer", "null"], "description": "The price in minor units, such as 1999."},
        "image": _NULLABLE_TEXT | {"description": "First picture."},
        "reason": _TEXT | {"description": "Why, a sentence for shoppers in English."},
        "category": _TEXT,
        "position": {"type": "integer", "description": "Place in the answer, from 1."},
    },
    "required": ["recommendation_id", "product_id", "name", "price", "currency", "price_minor", "image", "reason"],
}
_CARDS: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/Card"}}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_EVENT: Schema = _object(
    "An event as a flat object. Which fields belong to which type: docs/http.md.",
    ["event_type"],
    {
        "event_type": {
            "description": "What happened; `custom:NAME` is something of the platform's own.",
            "anyOf": [{"enum": [*NAMES, IMPRESSION, "custom"]}, {"type": "string", "pattern": "^custom:.{1,100}$"}],
        },
        "event_id": _ID,
        "customer_id": _ID,
        "visitor_id": _ID,
        "session_id": _ID,
        "timestamp": _TIME,
        "recommendation_id": _ID,
        "attributes": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
        "consent": _CONSENT,
        "recommend": {
            "description": "Answer with recommendations for the page of the event: true, or how many.",
            "anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}],
        },
        "page_type": _TEXT,
        "product_id": _ID,
        "category": _TEXT | {"maxLength": 200},
        "query": _TEXT | {"maxLength": 500},
        "product_ids": {"type": "array", "items": _ID, "maxItems": 200},
        "filter": _TEXT | {"maxLength": 1000},
        "duration_seconds": {"type": "number", "minimum": 0, "maximum": 86_400},
        "scrolls": {"type": "integer", "minimum": 0},
        "clicks": {"type": "integer", "minimum": 0},
        "scroll_depth": {"type": "number", "minimum": 0, "maximum": 1},
        "quantity": {"type": "number", "exclusiveMinimum": 0},
        "items": {"type": "array", "items": _ITEM},
        "purchase_id": _ID,
        "total": _AMOUNT,
        "amount": _AMOUNT,
        "currency": _TEXT,
        "recommendation_ids": {"type": "array", "items": _ID, "maxItems": 200},
        "attribution_token": _ID,
        "name": _TEXT | {"maxLength": 100},
    },
)
_FEEDBACK: Schema = _object(
    "How a shopper met a recommendation.",
    ["recommendation_id", "interaction_type"],
    {
        "recommendation_id": _ID,
        "interaction_type": {"type": "string", "enum": list(WORDS)},
        "timestamp": _TIME,
        "feedback_id": _ID,
        "customer_id": _ID,
        "visitor_id": _ID,
        "consent": _CONSENT,
    },
)
_PROBLEM: Schema = {
    "type": "object",
    "description": "An error as in RFC 9457.",
    "properties": {
        "type": _TEXT | {"format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": _TEXT | {"description": "Name of the gRPC status."},
        "reason": _TEXT | {"description": "What a program can switch on."},
        "metadata": {"type": "object", "additionalProperties": _TEXT},
        "field_violations": {
            "type": "array",
            "items": {"type": "object", "properties": {"field": _TEXT, "description": _TEXT}},
        },
        "request_id": _TEXT,
        "retry_after": {"type": "number", "description": "Seconds after which trying again helps."},
    },
    "required": ["type", "title", "status", "detail", "code", "reason", "field_violations", "request_id"],
}
PLAIN_SCHEMAS: dict[str, Schema] = {"Card": _CARD, "Event": _EVENT, "Feedback": _FEEDBACK, "Problem": _PROBLEM}


def _answer(properties: dict[str, Schema]) -> Schema:
    return {"content": {JSON: {"schema": {"type": "object", "properties": properties}}}, "description": "The answer."}


def _parameter(name: str, description: str, schema: Schema | None = None) -> Schema:
    if name in LISTS:
        schema = {"type": "array", "items": _TEXT}
    return {"name": name, "in": "query", "description": description, "schema": schema or _TEXT}


_FLAG: Schema = {"type": "boolean"}
_DECIMAL: Schema = {"type": "number", "minimum": 0}
_PARAMETERS = [
    _parameter("customer_id", "The customer; unknown is an error.", {"type": "string", "maxLength": MAX_ID}),
    _parameter("visitor_id", "A visitor who is not logged in.", {"type": "string", "maxLength": MAX_ID}),
    _parameter("limit", "How many; 0 means 10, more than 100 is lowered to 100.", {"type": "integer", "minimum": 0}),
    _parameter("page_type", "Kind of page, such as `home`, `product` or `cart`."),
    _parameter("product_id", "The product of a product page."),
    _parameter("category", "The category of a category page."),
    _parameter("search_query", "The text of a search page."),
    _parameter("cart_product_ids", "What is in the cart, separated by commas or repeated."),
    _parameter("purchased_product_ids", "What was just bought, separated by commas or repeated."),
    _parameter("session_id", "The session."),
    _parameter("categories", "Only these categories."),
    _parameter("min_price", "Cheapest price, a decimal in `currency`.", _DECIMAL),
    _parameter("max_price", "Dearest price, a decimal in `currency`.", _DECIMAL),
    _parameter("currency", "Currency of the prices, such as `USD`."),
    _parameter("exclude_product_ids", "Never these products."),
    _parameter("in_stock_only", "Only products in stock now.", _FLAG),
    _parameter("consent", "Whether the shopper allows a cookie.", _FLAG),
]
_RECORDED: dict[str, Schema] = {"recorded": _FLAG, "duplicate": _FLAG, "pending_agents": _TEXTS}


def _recording(name: str, schema: str, example: Schema, properties: dict[str, Schema]) -> Schema:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {
        "operationId": name,
        "summary": name,
        "tags": ["pages"],
        "requestBody": {"required": True, "content": {JSON: content}},
        "responses": {
            "200": _answer(_RECORDED | properties),
            "204": {"description": "Recorded; for bodies of `text/plain`, as `navigator.sendBeacon` sends them."},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }


PLAIN_PATHS: dict[str, Schema] = {
    "/recommendations": {
        "get": {
            "operationId": "recommendations",
            "summary": "recommendations",
            "description": "Product cards for a customer, a visitor, or a stranger for this once.",
            "tags": ["pages"],
            "parameters": _PARAMETERS,
            "responses": {
                "200": _answer(
                    {"recommendations": _CARDS, "attribution_token": _TEXT, "strategy": _TEXT, "fallbacks": _TEXTS}
                ),
                "default": {"$ref": "#/components/responses/Problem"},
            },
        }
    },
    "/event": {
        "post": _recording(
            "event",
            "Event",
            {"event_type": "page_view", "customer_id": 123, "product_id": 456, "page_type": "product_page"},
            {"event_id": _TEXT, "session_id": _TEXT, "recommendations": _CARDS, "reason": _TEXT},
        )
    },
    "/feedback": {
        "post": _recording(
            "feedback",
            "Feedback",
            {"recommendation_id": "y3Qm0dXbq8sTz6JfVwKp1hNcLr5gUe7aMiYkB2oZtDxS", "interaction_type": "click"},
            {"feedback_id": _TEXT},
        )
    },
}
