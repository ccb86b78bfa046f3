"""Helpers for frameworks; each module imports its own framework, so import the one you use.

::

    from senderkit.client.integrations.django import EmailBackend, get_client, senderkit_webhook
    from senderkit.client.integrations.fastapi import get_senderkit, webhook_verifier
    from senderkit.client.integrations.flask import SenderKitFlask
    from senderkit.client.integrations.celery import make_send_task
"""
