"""Templates as zips: out of one server and into another, with a look before anything changes."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from senderkit.template_archives import from_archive, to_archive
from senderkit.template_folders import TemplateFolder, to_files
from tests.make import Api, House, Pages, email_content
from tests.unit.test_template_archives import zipped
from tests.web.reading import read

IMPORT = "/templates/-/import"
NOW = f"{IMPORT}/now"


@pytest.fixture
def owner(house: House) -> Pages:
    return house.owner()


def upload(owner: Pages, *files: tuple[str, bytes], slug: str = "") -> Any:
    """Choose files and see what they would change."""
    chosen = [FileStorage(io.BytesIO(content), filename=name) for name, content in files]
    token = read(owner.get(IMPORT).text).form(IMPORT).values["csrf_token"]
    values = {"csrf_token": token, "slug": slug, "file": chosen}
    boundary, body = encode_multipart(values)
    content_type = f"multipart/form-data; boundary={boundary}"
    return owner.client.post(IMPORT, data=body, content_type=content_type)


def folder(slug: str = "welcome", **more: Any) -> TemplateFolder:
    return TemplateFolder(slug, "email", email_content(), **more)


def take(owner: Pages, answer: Any) -> str:
    """Press the button below the plan."""
    form = read(answer.text).form(NOW).values
    return read(owner.client.post(NOW, data=form, follow_redirects=True).text).text


# -- out --------------------------------------------------------------------------------------


def test_one_template_and_all_of_them_are_exported(house: House, api: Api, owner: Pages) -> None:
    house.template(description="D", variables=[{"name": "name", "type": "string"}])
    house.template("code", channel="sms", content={"body": "B"}, publish=False)
    house.template("old")
    owner.submit("/templates/old/settings", {}, action="/templates/old/archive")
    api.post("/v1/templates/welcome/versions", {"content": email_content(subject="Newer")})

    answer = owner.get("/templates/welcome/export")
    assert answer.headers["Content-Disposition"] == "attachment; filename=welcome.zip"
    [found] = from_archive(answer.data).templates
    assert (found.content["subject"], found.description) == ("Newer", "D")
    every = from_archive(owner.get("/templates/-/export").data).templates
    assert [each.slug for each in every] == ["code", "welcome"]
    assert owner.get("/templates/unknown/export").status_code == 404


# -- in ---------------------------------------------------------------------------------------


def test_what_would_change_is_shown_before_it_does(house: House, api: Api, owner: Pages) -> None:
    house.template("same")
    house.template("changed")
    house.template("described")
    house.template("code", channel="sms", content={"body": "B"})
    folders = [
        folder("same"),
        TemplateFolder("changed", "email", email_content(subject="Hi")),
        folder("described", description="New words"),
        folder("new"),
        folder("code"),
        TemplateFolder("bad", "email", {"subject": "{{#a}}", "html": "x"}),
    ]
    answer = upload(owner, ("templates.zip", to_archive(folders)))
    page = read(answer.text)
    for words in (
        "same Email unchanged",
        "changed Email draft 2",
        "described Email description",
        "new Email new",
        "A channel cannot be changed: give it another slug. Email left out",
        "bad content.subject:",
    ):
        assert words in page.text
    assert len(house.rows("SELECT id FROM templates")) == 4

    told = take(owner, answer)
    assert (
        "Imported: 1 new, 1 with a new draft, 1 with a new description. Nothing is published"
        in told
    )
    assert api.get("/v1/templates/changed").json["currentVersion"]["versionNumber"] == 1  # type: ignore[index]
    assert api.get("/v1/templates/changed/versions/2").json["content"]["subject"] == "Hi"  # type: ignore[index]
    assert api.get("/v1/templates/described").json["description"] == "New words"  # type: ignore[index]
    assert api.get("/v1/templates/new").json["status"] == "draft"  # type: ignore[index]
    assert "Imported" in read(owner.get("/templates/new/versions").text).text


def test_an_import_twice_changes_nothing(house: House, owner: Pages) -> None:
    content = to_archive([folder(variables=({"name": "n", "type": "number"},))])
    take(owner, upload(owner, ("a.zip", content)))
    answer = upload(owner, ("a.zip", content))
    assert "welcome Email unchanged" in read(answer.text).text
    assert "Import 1 template" not in answer.text
    assert read(answer.text).form(NOW).values["packed"] == ""
    assert len(house.rows("SELECT id FROM template_versions")) == 1


def test_what_one_server_exports_another_has_already(house: House, api: Api, owner: Pages) -> None:
    house.template(content=email_content(text="", preheader="P"), description="D")
    house.template("code", channel="sms", content={"body": "B\n"})
    text = read(upload(owner, ("t.zip", owner.get("/templates/-/export").data)).text).text
    assert text.count("unchanged") == 2


def test_every_language_comes_along(house: House, api: Api, owner: Pages) -> None:
    german = {"subject": "Hallo", "html": "<p>Hallo</p>\n"}
    house.template(translations={"de": german, "pt-BR": {"subject": "Olá"}})
    content = owner.get("/templates/welcome/export").data
    assert "welcome Email unchanged" in read(upload(owner, ("a.zip", content)).text).text
    [found] = from_archive(content).templates
    assert found.translations["de"] == german

    moved = replace(found, slug="moved", translations={"de": german, "fr": {"subject": "Salut"}})
    take(owner, upload(owner, ("a.zip", to_archive([moved]))))
    version = api.get("/v1/templates/moved/versions/1").json
    assert version is not None
    assert version["translations"] == moved.translations
    mistyped = replace(found, translations={"de": {"sbject": "Hallo"}})
    text = read(upload(owner, ("a.zip", to_archive([mistyped]))).text).text
    assert "left out" in text


def test_the_files_of_one_template_may_come_loose(house: House, api: Api, owner: Pages) -> None:
    files = [(name, text.encode()) for name, text in to_files(folder()).items()]
    assert "Say below which slug" in read(upload(owner, *files).text).text
    assert "template.json as well" in read(upload(owner, files[1], slug="x").text).text
    answer = upload(owner, *files, ("logo.png", b"\x89PNG"), slug="mine")
    assert "1 file is no part of a template" in read(answer.text).text
    assert "Imported: 1 new" in take(owner, answer)
    assert api.get("/v1/templates/mine").status_code == 200


def test_an_earlier_slug_of_another_template_is_not_taken(house: House, owner: Pages) -> None:
    house.template()
    owner.submit(
        "/templates/welcome/settings",
        {"slug": "hello", "keeps_alias": "yes"},
        action="/templates/welcome/rename",
    )
    answer = upload(owner, ("a.zip", to_archive([folder()])))
    assert "It is an earlier slug of another template" in read(answer.text).text


def test_an_archived_template_stays_archived(house: House, owner: Pages) -> None:
    house.template()
    owner.submit("/templates/welcome/settings", {}, action="/templates/welcome/archive")
    changed = TemplateFolder("welcome", "email", email_content(subject="Hi"))
    answer = upload(owner, ("a.zip", to_archive([changed])))
    assert "It is archived, and stays so." in read(answer.text).text
    take(owner, answer)
    assert house.rows("SELECT 1 FROM templates WHERE archived_at IS NULL") == []


@pytest.mark.parametrize(
    "content",
    [
        {"subject": "S", "html": 5},
        {"subject": "S", "html": "x", "data": float("nan")},
        {"subject": "S\0", "html": "x"},
        {"subject": "\ud800", "html": "x"},
        {"subject": "S", "html": "x", "text": 10**400},
        {"subject": "S", "html": "x", "sbject": "x"},
    ],
)
def test_what_cannot_be_stored_is_told_and_nothing_is(
    house: House, owner: Pages, content: dict[str, Any]
) -> None:
    main = json.dumps({"channel": "email", "content": content})
    answer = upload(owner, ("a.zip", zipped({"bad/template.json": main})))
    assert answer.status_code == 200
    assert "left out" in read(answer.text).text
    assert house.rows("SELECT id FROM templates") == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "Choose a zip file"),
        ([("a.zip", b"PK nonsense")], "no zip file that can be read"),
        ([("a.zip", b"PK"), ("b.zip", b"PK")], "one zip file by itself"),
        ([("a.zip", zipped({"readme.txt": "x"}))], "It holds no template"),
        ([("a.zip", zipped({"../a/template.json": "x"}))], "leads out of the archive"),
        ([("a.zip", b"PK" + b"x" * 1_000_001)], "more than 1,000,000 bytes"),
    ],
)
def test_what_is_no_import_is_told(
    house: House, owner: Pages, files: list[tuple[str, bytes]], words: str
) -> None:
    answer = upload(owner, *files)
    assert answer.status_code == 422
    assert words in read(answer.text).text
    assert 'id="f-file-error"' in answer.text


@pytest.mark.parametrize("packed", ["", "x", base64.b64encode(b"PK").decode(), "ü"])
def test_what_does_not_come_back_whole_is_told(house: House, owner: Pages, packed: str) -> None:
    answer = owner.submit(IMPORT, {"packed": packed}, action=NOW)
    assert answer.status_code == 422
    assert "choose them again" in answer.text
