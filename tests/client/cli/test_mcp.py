"""`senderkit mcp`, as an assistant's program talks to it: a real client over standard input."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from senderkit.client import SenderKit
from tests.client.cli.conftest import Cli
from tests.client.conftest import Home

TOOLS = {
    "senderkit_context",
    "senderkit_send",
    "senderkit_send_raw",
    "senderkit_templates_list",
    "senderkit_templates_get",
    "senderkit_templates_create",
    "senderkit_messages_list",
    "senderkit_messages_get",
    "senderkit_cancel_message",
}
READING = {name for name in TOOLS if name.endswith(("_context", "_list", "_get"))}


@asynccontextmanager
async def assistant(cli: Cli) -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "senderkit", "mcp"], env=cli.environment, cwd=cli.folder
    )
    async with Client(server, read_timeout_seconds=60) as client:
        yield client


def words(result: CallToolResult) -> str:
    return "".join(part.text for part in result.content if isinstance(part, TextContent))


async def call(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(f"senderkit_{name}", arguments)
    assert not result.is_error, words(result)
    return result.structured_content


async def refused(client: Client, name: str, **arguments: Any) -> str:
    result = await client.call_tool(f"senderkit_{name}", arguments)
    assert result.is_error
    return words(result)


def test_an_assistant_does_everything_it_is_offered(cli: Cli, sk: SenderKit) -> None:
    async def main() -> None:
        async with assistant(cli) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == TOOLS
            for name, tool in tools.items():
                assert tool.description, name
                assert tool.annotations, name
                assert bool(tool.annotations.read_only_hint) == (name in READING), name

            assert await call(client, "context") == sk.context().raw
            sent = await call(
                client,
                "send",
                template="welcome",
                to="ada@example.com",
                vars={"name": "Ada"},
                metadata={"run": "mcp"},
                cc=["ops@example.com"],
                attachments=[{"filename": "a.txt", "contentType": "text/plain", "content": "QQ=="}],
                idempotencyKey="from an assistant",
            )
            again = await call(
                client,
                "send",
                template="welcome",
                to="ada@example.com",
                idempotencyKey="from an assistant",
            )
            assert (sent["replayed"], again["replayed"]) == (False, True)
            assert sent["id"] == again["id"]
            raw = await call(
                client,
                "send_raw",
                channel="sms",
                to="+15551234567",
                content={"body": "Hi"},
            )
            assert raw["status"] == "queued"

            drafted = await call(
                client,
                "templates_create",
                slug="mcp-draft",
                channel="sms",
                content={"body": "Your code is {{code}}."},
                variables=[{"name": "code", "type": "string"}],
            )
            assert (drafted["slug"], drafted["status"]) == ("mcp-draft", "draft")
            found = await call(client, "templates_get", slug="mcp-draft")
            assert found["newestVersion"]["content"] == {"body": "Your code is {{code}}."}
            listed = await call(client, "templates_list")
            assert "mcp-draft" in [template["slug"] for template in listed["data"]]

            page = await call(client, "messages_list", metadata={"run": "mcp"}, limit=5)
            assert [message["publicId"] for message in page["data"]] == [sent["id"]]
            assert (await call(client, "messages_get", id=sent["id"]))["channel"] == "email"

    asyncio.run(main())


def test_an_assistant_cancels(cli: Cli, sk: SenderKit) -> None:
    async def main() -> None:
        async with assistant(cli) as client:
            sent = await call(
                client, "send", template="welcome", to="ada@example.com", scheduledAt=tomorrow
            )
            assert await call(client, "cancel_message", id=sent["id"]) == {
                "id": sent["id"],
                "status": "canceled",
            }
            assert "canceled" in await refused(client, "cancel_message", id=sent["id"])

    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    asyncio.run(main())


def test_an_assistant_is_told_what_is_wrong(cli: Cli, home: Home) -> None:
    async def main() -> None:
        async with assistant(cli) as client:
            told = await refused(client, "send", template="welcome", to="x", metadata={"a": "b"})
            assert "to: " in told
            assert "nowhere" in await refused(client, "templates_get", slug="nowhere")
            assert "is no id and no slug" in await refused(client, "messages_get", id="..")
            assert "channel" in await refused(
                client, "send_raw", channel="fax", to="1", content={"body": "x"}
            )
        async with assistant(cli.given(API_KEY=home.scoped_keys["read"])) as client:
            told = await refused(client, "send", template="welcome", to="ada@example.com")
            assert "SENDERKIT_API_KEY is valid, but it lacks a scope" in told
            assert "'send' scope" in told
            assert "sk_test_" not in told

    asyncio.run(main())


@pytest.mark.parametrize("settings", [{"API_KEY": None}, {"API_KEY": "sk_test_wrong"}])
def test_without_a_key_it_does_not_start(cli: Cli, settings: dict[str, str | None]) -> None:
    assert cli.given(**settings).fails("mcp")


def test_without_the_package_it_says_which_one(cli: Cli) -> None:
    (cli.folder / "mcp").mkdir()
    (cli.folder / "mcp" / "__init__.py").write_text("raise ModuleNotFoundError(name='mcp')")

    done = subprocess.run(
        [sys.executable, "-m", "senderkit", "mcp"],
        cwd=cli.folder,
        env=cli.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    words = "Error: this needs one more package: pip install 'senderkit-server[mcp]'.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", words)
