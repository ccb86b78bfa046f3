"""A password's hash is slow on purpose: nobody else may wait for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Self

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, event

from tests.make import OWNER, PASSWORD, WORKSPACE, House, Pages

_SLOW: Final = {PasswordHasher.hash.__code__, PasswordHasher.verify.__code__}
NEW_PASSWORD: Final = "another set of plain words"


class Watch:
    """Sees each call of argon2 in this thread, and whether a transaction was open then."""

    def __init__(self, engine: Engine) -> None:
        self.was_open: list[bool] = []
        self._is_open = False
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "commit", self._end)
        event.listen(engine, "rollback", self._end)

    def _begin(self, _connection: Any) -> None:
        self._is_open = True

    def _end(self, _connection: Any) -> None:
        self._is_open = False

    def __enter__(self) -> Self:
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, what: str, _argument: object) -> None:
        if what == "call" and frame.f_code in _SLOW:
            self.was_open.append(self._is_open)


def set_up(pages: Pages) -> None:
    form = {"workspace": WORKSPACE, "email": OWNER, "password": PASSWORD}
    assert pages.submit("/setup", form).status_code == 302


def log_in(pages: Pages) -> None:
    assert pages.log_in().status_code == 302


def log_in_in_vain(pages: Pages) -> None:
    assert pages.log_in(password=NEW_PASSWORD).status_code == 422


def change_password(pages: Pages) -> None:
    form = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert pages.submit("/password", form).status_code == 302


def change_password_in_vain(pages: Pages) -> None:
    form = {"current_password": NEW_PASSWORD, "new_password": "a third set of plain words"}
    assert pages.submit("/password", form).status_code == 422


STEPS: Final[tuple[Callable[[Pages], None], ...]] = (
    set_up,
    log_in,
    log_in_in_vain,
    change_password_in_vain,
    change_password,
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_no_transaction_is_open_while_a_password_is_hashed(
    empty_house: House, step: Callable[[Pages], None]
) -> None:
    pages = empty_house.pages()
    if step is not set_up:
        empty_house.set_up()
    if step in {change_password, change_password_in_vain}:
        pages.log_in()
    with Watch(empty_house.runtime.engine) as watch:
        step(pages)
    assert watch.was_open
    assert not any(watch.was_open)
