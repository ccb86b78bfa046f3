"""SenderKit, self-hosted: transactional notifications by one API call.

Data flows one way: request -> command (validated) -> service (one transaction) -> dispatcher
-> provider -> event -> status.

========================  ====================================================================
``errors``                the whole exception tree
``domain``                vocabulary: channels, statuses and their legal moves, scopes, ids
``settings``              the only reader of the environment
``setting_values``        how each kind of setting is read
``data_folder``           the private folder and the secrets that are made in it
``seed_keys``             API keys declared by hash in a setting
``keys``                  mint, parse, checksum, hash API keys
``crypto``                sealed credentials, signatures, constant-time comparison
``commands``              untrusted JSON or form -> frozen command, or every issue at once
``mjml``                  MJML -> HTML, when a version is saved
``themes``                how a workspace's emails look
``html_mail``             CSS inlined, preheader put in, HTML -> text; limits
``rendering``             Mustache compile, render, inspect; from content to body
``sms_segments``          how an SMS is cut into what is paid for
``template_uses``         what the texts of a template name, and where
``template_samples``      values to show a template with
``template_variables``    which declaration a name means; declarations worked out of uses
``template_checks``       what deserves a look in a template that is being edited
``template_folders``      a template as files that git can keep
``http_client``           the one way out by HTTP: address guard, time limits, what a fault means
``providers``             one file per provider on one interface
``models``                tables, constraints, indexes
``acceptance``            group commit of accepted sends
``outbox``                claim, renew, finish, retry, release: how two databases lock
``followers``             what is worked out of the change sequence, a little behind
``metrics``               what a process counts about itself
``tracing``               traces by OpenTelemetry, where its extra is installed
``lanes``                 the threads that talk to providers, some for each connection
``services``              what the product does, one transaction per outside call
``webhook_signing``       signatures of webhooks, in two schemes
``webhook_outbox``        claim and finish webhook deliveries
``simulator``             the lifecycle of a test message, with no provider in sight
``calls``                 provider calls under way
``dispatcher``            claim -> render -> send -> record
``webhook_calls``         webhook calls under way
``webhook_dispatcher``    claim -> sign and call -> record
``web``                   Flask: /v1, the dashboard, errors, wire names, the async front
``cli``                   the ``senderkit`` command
========================  ====================================================================
"""

__version__ = "0.1.0"
