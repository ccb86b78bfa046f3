"""Untrusted JSON, queries and forms -> frozen commands, or `InvalidRequest` with every issue.

One question is asked here: is it well-formed? Whether it makes sense now is for the services.

=================  ===========================================================================
``limits``         every cap on input
``issues``         issue codes and sentences; pydantic's errors into ours
``strict_json``    bytes -> an object without duplicates, NaN, NUL or bottomless nesting
``fields``         types that several bodies share: header text, metadata, moments
``recipients``     addresses, numbers, tokens, subscriptions
``attachments``    files of an email, decoded once
``content``        what a message says, per channel
``send_bodies``    the wire shape of sends
``sends``          `TemplateSend`, `RawSend`, the idempotency key
``templates``      drafting, describing, rendering
``translations``   a version's other languages
``metadata_terms`` how metadata is stored for the filter, and asked for
``queries``        `ListMessages`, where a stream of them goes on
``browsing``       `BrowseMessages`, the dashboard's list
``studio``         `SaveBlock`, `SaveTheme`, a template's new slug
``overviews``      `ViewOverview`
``resends``        `SendAgain`
``keys``           `CreateKey`
``suppressions``   `AddSuppression`, `BrowseSuppressions`, files of them
``connections``    `DescribeConnection`, the place in a channel's list
``webhooks``       `DescribeEndpoint`, `BrowseDeliveries`, `ReplayDeliveries`
``people``         `SetUp`, `AddMember`, `ChangePassword`, the password rule
=================  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from senderkit.commands.browsing import HELD, BrowseMessages, parse_browse_messages
from senderkit.commands.connections import (
    DescribeConnection,
    Place,
    parse_describe_connection,
)
from senderkit.commands.content import check_template_content
from senderkit.commands.keys import CreateKey, parse_create_key
from senderkit.commands.limits import (
    MAX_CREDENTIAL,
    MAX_DATABASE_INTEGER,
    MAX_RESENDS,
    MAX_VARIABLES,
)
from senderkit.commands.metadata_terms import (
    MetadataRow,
    MetadataTerm,
    metadata_row,
    metadata_term,
)
from senderkit.commands.overviews import Period, ViewOverview, parse_view_overview
from senderkit.commands.people import (
    AddMember,
    ChangePassword,
    SetUp,
    check_password,
    normalized_email,
    parse_add_member,
    parse_change_password,
    parse_set_up,
)
from senderkit.commands.queries import (
    LIST_MESSAGES_QUERY,
    ListMessages,
    QueryParameter,
    parse_change_number,
    parse_list_messages,
)
from senderkit.commands.recipients import Recipient, check_recipient
from senderkit.commands.resends import SendAgain, parse_send_again
from senderkit.commands.send_bodies import RawSendBody, SendBody, TemplateSendBody
from senderkit.commands.sends import (
    IDEMPOTENCY_KEY_SCHEMA,
    RawSend,
    TemplateSend,
    check_envelope_allowed,
    parse_idempotency_key,
    parse_raw_send,
    parse_send,
)
from senderkit.commands.strict_json import parse_json, parse_json_object
from senderkit.commands.studio import (
    SaveBlock,
    SaveTheme,
    parse_save_block,
    parse_save_theme,
    parse_slug,
)
from senderkit.commands.suppressions import (
    SUPPRESSION_COLUMNS,
    AddSuppression,
    BadLine,
    BrowseSuppressions,
    guarded_cell,
    parse_add_suppression,
    parse_browse_suppressions,
    read_suppressions,
)
from senderkit.commands.templates import (
    AddVersion,
    AddVersionBody,
    ChangeTemplate,
    CreateTemplate,
    CreateTemplateBody,
    DescribeTemplate,
    DescribeTemplateBody,
    RenderTemplate,
    RenderTemplateBody,
    is_variable_name,
    parse_add_version,
    parse_change_template,
    parse_create_template,
    parse_describe_template,
    parse_render_template,
)
from senderkit.commands.translations import check_translations, merge_translation
from senderkit.commands.webhooks import (
    BrowseDeliveries,
    DescribeEndpoint,
    ReplayDeliveries,
    parse_browse_deliveries,
    parse_describe_endpoint,
    parse_replay_deliveries,
)

REQUEST_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "Send": SendBody,
    "TemplateSend": TemplateSendBody,
    "RawSend": RawSendBody,
    "CreateTemplate": CreateTemplateBody,
    "AddVersion": AddVersionBody,
    "DescribeTemplate": DescribeTemplateBody,
    "RenderTemplate": RenderTemplateBody,
}
"""The bodies of requests by the name of their command: they write the OpenAPI document."""

__all__ = [
    "HELD",
    "IDEMPOTENCY_KEY_SCHEMA",
    "LIST_MESSAGES_QUERY",
    "MAX_CREDENTIAL",
    "MAX_DATABASE_INTEGER",
    "MAX_RESENDS",
    "MAX_VARIABLES",
    "REQUEST_MODELS",
    "SUPPRESSION_COLUMNS",
    "AddMember",
    "AddSuppression",
    "AddVersion",
    "BadLine",
    "BrowseDeliveries",
    "BrowseMessages",
    "BrowseSuppressions",
    "ChangePassword",
    "ChangeTemplate",
    "CreateKey",
    "CreateTemplate",
    "DescribeConnection",
    "DescribeEndpoint",
    "DescribeTemplate",
    "ListMessages",
    "MetadataRow",
    "MetadataTerm",
    "Period",
    "Place",
    "QueryParameter",
    "RawSend",
    "Recipient",
    "RenderTemplate",
    "ReplayDeliveries",
    "SaveBlock",
    "SaveTheme",
    "SendAgain",
    "SetUp",
    "TemplateSend",
    "ViewOverview",
    "check_envelope_allowed",
    "check_password",
    "check_recipient",
    "check_template_content",
    "check_translations",
    "guarded_cell",
    "is_variable_name",
    "merge_translation",
    "metadata_row",
    "metadata_term",
    "normalized_email",
    "parse_add_member",
    "parse_add_suppression",
    "parse_add_version",
    "parse_browse_deliveries",
    "parse_browse_messages",
    "parse_browse_suppressions",
    "parse_change_number",
    "parse_change_password",
    "parse_change_template",
    "parse_create_key",
    "parse_create_template",
    "parse_describe_connection",
    "parse_describe_endpoint",
    "parse_describe_template",
    "parse_idempotency_key",
    "parse_json",
    "parse_json_object",
    "parse_list_messages",
    "parse_raw_send",
    "parse_render_template",
    "parse_replay_deliveries",
    "parse_save_block",
    "parse_save_theme",
    "parse_send",
    "parse_send_again",
    "parse_set_up",
    "parse_slug",
    "parse_view_overview",
    "read_suppressions",
]
