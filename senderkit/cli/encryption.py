"""`senderkit admin rotate-encryption-key`: a new key for what the database keeps sealed."""

from __future__ import annotations

import click
from sqlalchemy import Engine

from senderkit.cli.application import open_application, read_settings, told
from senderkit.crypto import Vault, new_encryption_key
from senderkit.data_folder import locked_folder
from senderkit.services import rotation
from senderkit.settings import Settings, keep_encryption_keys, kept_encryption_keys
from senderkit.web.runtime import runtime_of

_VARIABLE = "SENDERKIT_ENCRYPTION_KEY"


@click.command("rotate-encryption-key")
@click.option(
    "--remove-old", is_flag=True, help="Finish: keep the new key alone, once it opens everything."
)
@click.option(
    "--print-new", is_flag=True, help=f"Only print a new key, to put first into {_VARIABLE}."
)
@told
def rotate_encryption_key(remove_old: bool, print_new: bool) -> None:
    """Seal all provider credentials with a new key, while servers run.

    The old keys stay until --remove-old: whatever happens on the way, every credential opens. Where
    the keys come from the environment, put a new one first and restart the servers before.
    """
    if print_new:
        click.echo(new_encryption_key())
        return
    settings = read_settings()
    app = open_application(settings)
    engine = runtime_of(app).engine
    try:
        with locked_folder(settings.data_dir):
            _remove_old(settings, engine) if remove_old else _rotate(settings, engine)
    finally:
        runtime_of(app).close()


def _rotate(settings: Settings, engine: Engine) -> None:
    keys = kept_encryption_keys(settings)
    # Rows that wait for the first key are those of a rotation that was cut off: it goes on.
    if settings.keeps_encryption_keys and rotation.is_resealed(engine, Vault(keys)):
        keys = (new_encryption_key(), *keys)
        keep_encryption_keys(settings, keys)
    elif len(keys) == 1:
        raise click.ClickException(
            f"the key comes from {_VARIABLE}: put a new one before it, with a comma between "
            "(--print-new makes one), restart the servers, then run this again."
        )
    done = rotation.reseal_all(engine, Vault(keys))
    _tell(done)
    click.echo(
        "Run it with --remove-old once every server and every backup you would go back to can do "
        "without the old key.",
        err=True,
    )


def _remove_old(settings: Settings, engine: Engine) -> None:
    keys = kept_encryption_keys(settings)
    if len(keys) == 1:
        raise click.ClickException("there is one key only: nothing is left of an older one.")
    done = rotation.reseal_all(engine, Vault(keys))
    _tell(done)
    if settings.keeps_encryption_keys:
        keep_encryption_keys(settings, keys[:1])
        click.echo("The old keys are removed.", err=True)
    else:
        words = f"The first key opens everything: take the others out of {_VARIABLE} and restart."
        click.echo(words, err=True)


def _tell(done: rotation.Resealed) -> None:
    click.echo(f"Sealed anew with the first key: {done.changed}.", err=True)
    if done.unopened:
        click.echo(
            f"No key known here opens {done.unopened} of them, with or without this rotation: edit "
            "these connections and enter their credentials again.",
            err=True,
        )
