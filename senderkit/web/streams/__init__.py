"""Streams of messages: opened by a view like any answer, then served by the event loop alone.

A view decides, with the same guard as for every route, whether somebody may listen and to what
(`opening`). From then on no request thread is held: one thread reads each change once for all that
listen (`hub`), and the event loop writes what it left for each of them (`writing`).

============  ================================================================================
``events``    the text of an event stream
``hub``       the thread that reads changes, and what it leaves for each listener
``opening``   from a view: what comes first, and the listener
``writing``   in the event loop: to the socket, until somebody goes away or has to
``backlog``   how much of it the other side has yet to take
============  ================================================================================
"""
