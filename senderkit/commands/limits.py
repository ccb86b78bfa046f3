"""Every cap on untrusted input, in one place. The OpenAPI document states the ones it can.

Where the contract gives a figure, it is that one; the others are far above ordinary use and stop
one request from filling the database or a page.
"""

from __future__ import annotations

from typing import Final

# -- JSON ---------------------------------------------------------------------------------------
MAX_JSON_DEPTH: Final = 100
MAX_JSON_VALUES: Final = 100_000
"""Members and items of a body, at all levels together."""
MAX_NUMBER_CHARACTERS: Final = 400
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1
"""Integers are signed 64-bit: what both databases and every JSON writer here can hold."""
MAX_ISSUES: Final = 100
MAX_PATH_TEXT: Final = 200
"""A longer name in the path of an issue is cut."""

# -- sends --------------------------------------------------------------------------------------
MAX_RECIPIENT: Final = 8_192
MAX_PUSH_TOKEN: Final = 4_096
MAX_ENDPOINT: Final = 2_048
MAX_ADDRESS_TEXT: Final = 512
"""`Name <address>` as a whole; the address alone is at most 254, as mail servers have it."""
MAX_NAME: Final = 128
MAX_COPIES: Final = 50
"""Each of `cc` and `bcc`."""
MAX_SUBJECT: Final = 998
MAX_LOCALE: Final = 35
MAX_SCHEDULE_DAYS: Final = 30
SCHEDULE_GRACE_SECONDS: Final = 5
MAX_METADATA_PAIRS: Final = 100
MAX_METADATA_KEY: Final = 128
MAX_METADATA_TEXT: Final = 2_000
MAX_IDEMPOTENCY_KEY_BYTES: Final = 512
MAX_DATABASE_INTEGER: Final = 2**31 - 1

# -- attachments --------------------------------------------------------------------------------
MAX_ATTACHMENTS: Final = 100
MAX_ATTACHMENT_BYTES: Final = 10_000_000
"""Decoded, all attachments of a message together: 10 MB."""
MAX_FILENAME: Final = 255
MAX_CONTENT_TYPE: Final = 255
MAX_CONTENT_ID: Final = 255

# -- templates ----------------------------------------------------------------------------------
MAX_SLUG: Final = 100
MAX_DESCRIPTION: Final = 2_000
MAX_TEMPLATE_FIELD: Final = 1_000_000
MAX_VARIABLES: Final = 200
MAX_VARIABLE_NAME: Final = 200
MAX_TRANSLATIONS: Final = 100
MAX_NOTE: Final = 500
MAX_BLOCK: Final = 200_000
MAX_BLOCK_NAME: Final = 100
MAX_THEME_NAME: Final = 100

# -- lists --------------------------------------------------------------------------------------
DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 200
MAX_CURSOR: Final = 500
MAX_SEARCH: Final = 200
MAX_METADATA_TERMS: Final = 20
MAX_LOOKUP_TEXT: Final = 200
"""A longer metadata text is indexed by its hash."""
MAX_RESENDS: Final = 1_000
"""Messages that one form or command sends again."""
MAX_REASON: Final = 500

# -- connections and suppressions ---------------------------------------------------------------
MAX_CONNECTION_NAME: Final = 100
MAX_CREDENTIAL: Final = 65_536
"""Of one field of a provider, key files included."""

# -- keys and people ----------------------------------------------------------------------------
MAX_KEY_NAME: Final = 100
MAX_WORKSPACE_NAME: Final = 100
MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 1_024
