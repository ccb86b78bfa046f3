"""Sealed credentials, signed links and hashes of secrets, all by well-kept libraries."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadSignature, URLSafeSerializer

from senderkit.errors import SealBroken

# OWASP's second recommended set for Argon2id: 19 MiB, two passes, one lane.
_PASSWORDS: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

_UNUSABLE_HASH: Final = _PASSWORDS.hash(secrets.token_urlsafe(32))
# Checked for an account that does not exist, so that its answer takes as long as any other.


class Vault:
    """Seals the fields of a connection; the keys live outside the database.

    `keys` are Fernet keys, newest first: the first seals, each of them opens. `reread` returns the
    keys as they are kept now: another process may have put a new one first while this one runs.
    Safe to share between threads.
    """

    def __init__(
        self, keys: Sequence[str], reread: Callable[[], Sequence[str]] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._reread = reread
        self._keys: tuple[str, ...] = ()
        self._first, self._fernet = self._take(keys)

    def seal(self, fields: Mapping[str, str]) -> bytes:
        """Seals with the first key that is kept now."""
        self._refresh()
        return self._fernet.encrypt(json.dumps(dict(fields)).encode())

    def unseal(self, sealed: bytes) -> dict[str, str]:
        """The fields, or `SealBroken` when no known key opens them."""
        try:
            plain = self._fernet.decrypt(sealed)
        except InvalidToken:
            plain = self._decrypt_anew(sealed)
        fields: dict[str, str] = json.loads(plain)
        return fields

    def reseal(self, sealed: bytes) -> bytes | None:
        """The same sealed with the first key, or None when it is already. Raises `SealBroken`."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return self._fernet.encrypt(self._decrypt_anew(sealed))
        return None

    def _decrypt_anew(self, sealed: bytes) -> bytes:
        self._refresh()
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise SealBroken("the stored credentials do not open with any known key") from error

    def _refresh(self) -> None:
        if self._reread is None:
            return
        keys = tuple(self._reread())
        with self._lock:
            if keys and keys != self._keys:
                self._first, self._fernet = self._take(keys)

    def _take(self, keys: Sequence[str]) -> tuple[Fernet, MultiFernet]:
        self._keys = tuple(keys)
        fernets = [Fernet(key) for key in keys]
        # MultiFernet refuses an empty list before the first one is asked for.
        fernet = MultiFernet(fernets)
        return fernets[0], fernet


class Signer:
    """Signs short values into links (`salt` keeps the kinds of links apart)."""

    def __init__(self, secret_key: str, salt: str) -> None:
        self._serializer = URLSafeSerializer(
            secret_key, salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
        )

    def sign(self, value: str) -> str:
        signed = self._serializer.dumps(value)
        return signed if isinstance(signed, str) else signed.decode("ascii")

    def find_value(self, signed: str) -> str | None:
        """The value, or None when the signature is not ours."""
        try:
            value = self._serializer.loads(signed)
        except BadSignature:
            return None
        return value if isinstance(value, str) else None


def hash_password(password: str) -> str:
    """Argon2id at OWASP's parameters; a different salt each time."""
    return _PASSWORDS.hash(password)


def verify_password(stored_hash: str | None, password: str) -> bool:
    """Whether `password` belongs to `stored_hash`; None takes as long and is never right."""
    try:
        return _PASSWORDS.verify(stored_hash or _UNUSABLE_HASH, password) and bool(stored_hash)
    except (VerificationError, InvalidHashError):
        return False


def password_needs_rehash(stored_hash: str) -> bool:
    """Whether `stored_hash` was made with older parameters than today's."""
    return _PASSWORDS.check_needs_rehash(stored_hash)


def hash_secret(secret: str) -> str:
    """SHA-256 in hex, for random secrets (never for passwords)."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def is_same(left: str, right: str) -> bool:
    """Constant-time comparison of two texts."""
    return hmac.compare_digest(left.encode("utf-8"), right.encode("utf-8"))


def new_secret() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def new_encryption_key() -> str:
    """A fresh key for `Vault`."""
    return Fernet.generate_key().decode("ascii")
