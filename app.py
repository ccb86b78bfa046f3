"""WSGI entry for a server of one's own choice: settings from the environment -> the application.

It serves pages and API, and delivers nothing: such a server may start several processes, or stop
them between requests. Run `senderkit worker` beside it, which also migrates the database and stores
declared keys. Debug is off here: only the server knows how far its address reaches.
"""

import atexit

from senderkit.services.connections import problems_of
from senderkit.settings import load_settings
from senderkit.web import create_app
from senderkit.web.logs import configure_logging
from senderkit.web.runtime import open_tracing, runtime_of

settings = load_settings(overrides={"DISPATCHER": "off", "DEBUG": "off"}, check=problems_of)
configure_logging(settings.log_level)
app = create_app(settings, tracing=open_tracing(settings))
atexit.register(runtime_of(app).close)
