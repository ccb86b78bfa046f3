"""The steps of a newcomer's way, as the overview shows them until all are done."""

from __future__ import annotations

from typing import Any

from flask import url_for

from senderkit.services.progress import Progress


def setup_steps(progress: Progress) -> list[dict[str, Any]]:
    """In order, each with what it is for, where it is done and whether it was."""
    return [
        {
            "title": "Make a key",
            "text": "An app shows it with every request. Start with a test key.",
            "done": progress.has_key,
            "url": url_for("keys.new"),
            "action": "New key",
        },
        {
            "title": "Send a test",
            "text": "With a test key, from your app or the shell. Nothing leaves this server.",
            "done": progress.has_test_message,
            "url": url_for("messages.index"),
            "action": "Show how",
        },
        {
            "title": "Connect a provider",
            "text": "Live messages leave through the accounts that you have already.",
            "done": progress.has_connection,
            "url": url_for("channels.choose"),
            "action": "Add connection",
        },
        {
            "title": "Publish a template",
            "text": "It keeps the words out of your code. Live sends use its published version.",
            "done": progress.has_published,
            "url": url_for("templates.index"),
            "action": "Templates",
        },
        {
            "title": "Go live",
            "text": "Put a live key into your app; done when a provider took the first message.",
            "done": progress.has_live_message,
            "url": url_for("keys.new"),
            "action": "New live key",
        },
    ]
