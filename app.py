"""WSGI entry: settings from the environment -> the application."""

from senderkit.settings import load_settings
from senderkit.web import create_app

app = create_app(load_settings())
