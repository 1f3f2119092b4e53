"""The limits of the contract: how much a field, a message, a page may hold.

They stand in the comments of the fields as well; `tests/unit/shared/test_limits_in_comments.py` holds that both agree.
Characters are those of Unicode, bytes those of the serialised message.
"""

from datetime import timedelta

KIB = 1024
MIB = 1024 * KIB

MAX_MESSAGE_BYTES = 4 * MIB
"""Most of one message, in either direction: what clients of gRPC take unless told otherwise. To decode one takes some
40 ms, in which an agent does nothing else (docs/decisions/0031)."""
MAX_READ_BYTES = 2 * MAX_MESSAGE_BYTES
"""What is larger is refused by gRPC before it is read, without details; what is less too large is told why."""
FRAME_BYTES = KIB
"""What the coordinator may add to a caller's message when it passes the elements on to an agent."""
MAX_ELEMENT_BYTES = MIB
"""Most of one event, product or customer."""
MAX_PORTION_BYTES = 3 * MIB
"""Elements of a stream that go to an agent in one call, or are recorded together; with one more they may be 4 MiB."""
MAX_ON_THE_WAY_BYTES = 16 * MIB
"""Elements of all streams of a coordinator that were read and are not written yet."""
MAX_WAITING_BYTES = 64 * MIB
"""Events that wait to be recorded; what comes beyond is refused."""
MAX_PAGE_BYTES = 3 * MIB
"""Most of one page of a list, as long as it has several elements."""

MAX_ID = 128
MAX_REQUEST_ID = 128
MAX_BATCH = 1_000
"""Elements of a batch: events, customers, products."""
MAX_REJECTIONS = 1_000

MAX_QUANTITY = 1_000_000.0
MAX_DURATION_SECONDS = 86_400.0
MAX_FUTURE = timedelta(hours=24)
MAX_AMOUNT_MINOR = 10**12
"""Most of one line or order, in minor units: sums of millions of them stay within 64 bits."""
MAX_PRICE_MINOR = 10**10
"""Most of one unit, in minor units: times the largest quantity it stays within 64 bits."""

MAX_CATEGORY = 200
MAX_SEARCH = 500
MAX_SEARCH_FILTER = 1_000
MAX_CUSTOM_NAME = 100
MAX_EVENT_ATTRIBUTES = 100
MAX_EVENT_ATTRIBUTE_NAME = 100
MAX_EVENT_ATTRIBUTE = 1_000
MAX_CART_ITEMS = 200
MAX_ORDER_LINES = 1_000
MAX_RESULT_PRODUCTS = 200
MAX_IMPRESSIONS = 200

MAX_CONTEXT_PRODUCTS = 200
MAX_FILTER_CATEGORIES = 100
MAX_EXCLUDED = 1_000

MAX_NAME = 200
MAX_EMAIL = 320
MAX_AGE = 130
MAX_AGE_GROUP = 50
MAX_GENDER = 50
MAX_REGION = 100
MAX_DEMOGRAPHIC_ATTRIBUTES = 100
MAX_DEMOGRAPHIC_ATTRIBUTE_NAME = 100
MAX_DEMOGRAPHIC_ATTRIBUTE = 1_000

MAX_PRODUCT_NAME = 500
MAX_DESCRIPTION = 20_000
MAX_BRAND = 200
MAX_TAGS = 100
MAX_TAG = 100
MAX_IMAGES = 50
MAX_IMAGE_URL = 2_000
MAX_PRODUCT_ATTRIBUTES = 200
MAX_PRODUCT_ATTRIBUTE_NAME = 200
MAX_PRODUCT_ATTRIBUTE = 20_000
MAX_ATTRIBUTE_TEXTS = 100
MAX_ATTRIBUTE_TEXT = 1_000
MAX_RATING = 5
MAX_MASK_PATHS = 250
MAX_MASK_PATH = 300
"""Characters of a path of a field mask."""
MAX_AVAILABLE_AHEAD = timedelta(days=3_653)
MAX_CLOCK_AHEAD = timedelta(minutes=5)
"""How far ahead of ours the clock may be that says since when a price is true."""
MAX_DIGESTS = 100_000
MAX_NAME_CONTAINS = 200
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
MAX_PAGE_TOKEN = 200
MAX_OFFER_TOKEN = 700
"""Most of a page token that holds an id: 128 characters of 4 bytes, in base 64."""
MAX_SEGMENT_NAME = 100
DEFAULT_RELATED = 10
MAX_RELATED = 100
MAX_ALGORITHMS = 50
MAX_WEIGHT = 1e6
MAX_REASON = 500
"""Characters in which an operator says why."""

MAX_PURGED_KINDS = 20
MAX_PURGED_ATTRIBUTES = 10

MAX_DEFINITION_ID = 63
"""Characters of the id of a placement or a rule."""
MAX_DEFINITIONS = 1_000
"""Placements, and rules, that are stored."""
MAX_NOTE = 500
MAX_SEGMENT = 100
MAX_PRIORITY = 1_000
MAX_CONDITION_NAMES = 100
MIN_ARMS, MAX_ARMS = 2, 10
MIN_BANDIT_VARIANTS, MAX_BANDIT_VARIANTS = 2, 20
MAX_GUARDRAILS = 10
MAX_ARM_SHARE = 1_000.0
MAX_EFFECT = 10.0
MAX_ALPHA = 0.5
MAX_POWER = 0.999
MAX_EXPLORED_PLACES = 0.5
MAX_HALF_LIFE_DAYS = 3_650.0
MAX_SAMPLE_DAYS = 90
MAX_DECISIONS = 100
"""Of an experiment, the latest that are kept."""
"""Placements and segments that a condition names."""
MAX_WEEKLY_HOURS = 20
MAX_TIME_ZONE = 100
MAX_BOOST = 10.0
MAX_REVENUE_POWER = 4.0
MIN_WINDOW = 2
MAX_LISTS_OF_PAGE = 10
MAX_RANKED = 1_000
"""Products of a list to be ordered."""
MAX_PREVIEWED_RULES = 100
DEFAULT_PREVIEW_DAYS, MAX_PREVIEW_DAYS = 7, 30
DEFAULT_PREVIEW_LISTS, MAX_PREVIEW_LISTS = 500, 2_000
DEFAULT_PREVIEW_SECONDS, MAX_PREVIEW_SECONDS = 5.0, 20.0
DEFAULT_EVALUATED_DAYS = 7
DEFAULT_EVALUATED_LISTS, MAX_EVALUATED_LISTS = 20_000, 50_000
DEFAULT_EVALUATION_SECONDS, MAX_EVALUATION_SECONDS = 30.0, 120.0
MAX_LIST_TOKEN = 4_000
"""Characters of the token of a further page of recommendations."""
