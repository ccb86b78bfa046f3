"""A browser without JavaScript on a real socket: cookies, redirects and forms."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Final
from urllib.parse import urlencode

from tests.make import CSRF_FIELD, OWNER, PASSWORD, WORKSPACE

NONCE_FIELD: Final = re.compile(r'name="nonce" value="([^"]+)"')


class Browser:
    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def ask(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and text of a page, after any redirect; a form is posted."""
        data = None if form is None else urlencode(form).encode()
        request = urllib.request.Request(self._url + path, data, dict(headers or {}))
        try:
            with self._opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def submit(self, page: str, form: Mapping[str, str], action: str | None = None) -> str:
        """Fill a page's form and send it; the text of what follows."""
        _, text = self.ask(page)
        fields = {"csrf_token": CSRF_FIELD, "nonce": NONCE_FIELD}
        hidden = {name: found[1] for name, field in fields.items() if (found := field.search(text))}
        status, answer = self.ask(action or page, hidden | dict(form))
        assert status == 200, answer
        return answer

    def set_up(self) -> None:
        form = {"workspace": WORKSPACE, "email": OWNER, "password": PASSWORD}
        self.submit("/setup", form)

    def create_key(self) -> str:
        """The page that shows a new key."""
        return self.submit("/keys/new", {"name": "Shop", "mode": "test"}, action="/keys")
