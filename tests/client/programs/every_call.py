"""Uses every call of the client once, against a server that holds the template `welcome`."""

import json
import os
import uuid
from datetime import datetime, timedelta, timezone

from senderkit import (
    Attachment,
    Channel,
    EmailContent,
    PushContent,
    RawSend,
    SenderKit,
    SmsContent,
    TemplateSend,
    WebPushContent,
    errors,
)

KEY = os.environ["SENDERKIT_API_KEY"]
URL = os.environ["SENDERKIT_BASE_URL"]
SUBSCRIPTION = json.dumps(
    {
        "endpoint": "https://push.example/1",
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
            "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    }
)


def failure(act):
    try:
        act()
    except errors.APIError as error:
        kinds = ("ConflictError", "ValidationError", "AuthenticationError", "APIError")
        name = next(kind for kind in kinds if isinstance(error, getattr(errors, kind)))
        return [name, error.status, error.code]
    except errors.NetworkError:
        return "NetworkError"
    except ValueError:
        return "ValueError"
    return None


def main():
    said = {}
    mark = uuid.uuid4().hex
    sk = SenderKit(KEY, base_url=URL, timeout=30.0, max_retries=2)
    said["mode"] = sk.mode
    context = sk.context()
    said["context"] = [context.workspace.name, context.mode]

    sent = sk.send(
        "welcome",
        "ada@example.com",
        vars={"name": "Ada"},
        metadata={"mark": mark, "first": True},
        version=1,
        channel=Channel.EMAIL,
        cc=["ops@example.com"],
        bcc=["audit@example.com"],
        reply_to="help@example.com",
        attachments=[Attachment(filename="a.txt", content_type="text/plain", content="eA==")],
        from_="hello@example.com",
        from_name="Acme Support",
        idempotency_key=mark,
    )
    said["sent"] = [sent.status, sent.livemode]
    again = sk.send("welcome", "ada@example.com", idempotency_key=mark)
    said["same key, same message"] = again.id == sent.id

    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    later = sk.send("welcome", "ada@example.com", scheduled_at=tomorrow)
    said["scheduled"] = later.status
    said["canceled"] = sk.messages.cancel(later.id).status
    said["cancel again"] = failure(lambda: sk.messages.cancel(later.id))

    contents = {
        "ada@example.com": EmailContent(subject="Hi {{name}}", html="<p>Hi</p>", text="Hi"),
        "+15555550123": SmsContent(body="Your code is 123456"),
        "device-token": PushContent(title="Hi", body="One new message", badge=1),
        SUBSCRIPTION: WebPushContent(title="Hi", body="Tap", click_url="https://example.com/"),
    }
    statuses = [
        sk.send_raw(to, content, interpolate=True, vars={"name": "Ada"}).status
        for to, content in contents.items()
    ]
    said["raw"] = dict(zip(["email", "sms", "push", "web-push"], statuses))

    requests = [
        TemplateSend(template="welcome", to="b1@example.com", metadata={"mark": mark}),
        TemplateSend("welcome", "no address"),
        RawSend("b2@example.com", EmailContent("Hi", "<p>Hi</p>"), metadata={"mark": mark}),
    ]
    results = sk.send_batch(requests, concurrency=3, idempotency_key="batch-" + mark)
    said["batch"] = [result.ok for result in results]
    error = results[1].error
    said["batch error"] = [
        "ValidationError" if isinstance(error, errors.ValidationError) else "?",
        error.status,
        error.code,
        error.issues[0]["path"][0],
    ]

    page = sk.messages.list(limit=50, metadata={"mark": mark}, channel="email")
    said["listed"] = {m.public_id for m in page.data} == {
        sent.id,
        results[0].result.id,
        results[2].result.id,
    }
    said["iterated"] = len(list(sk.messages.iter(metadata={"mark": mark}, limit=2)))
    message = sk.messages.get(sent.id)
    said["message"] = [
        message.recipient,
        message.channel,
        message.template_slug,
        message.raw["publicId"] == message.public_id == sent.id,
    ]

    said["templates"] = "welcome" in [template.slug for template in sk.templates.list()]
    detail = sk.templates.get("welcome")
    said["template"] = [detail.slug, detail.status, detail.current_version.version_number]
    rendered = sk.templates.render("welcome", {"name": "Ada"})
    said["rendered"] = [rendered.output["subject"], rendered.missing]
    said["missing"] = sk.templates.render("welcome").missing

    with SenderKit(api_key=os.environ["READING_KEY"], base_url=URL) as reader:
        said["reading key"] = failure(lambda: reader.send("welcome", "ada@example.com"))
    said["unknown template"] = failure(lambda: sk.send("nowhere", "ada@example.com"))
    with SenderKit(api_key=KEY, base_url="http://127.0.0.1:9", max_retries=0) as lost:
        said["no such server"] = failure(lost.context)
    said["empty key"] = failure(lambda: SenderKit(""))
    sk.close()
    print(json.dumps(said))


main()
