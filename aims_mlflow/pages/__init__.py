"""Read-only pages of all systems, as HTML that needs no script: the same behind a server and as files.

Rooms, from the ground up:

- ``addresses``, ``linking``: which pages there are, and links between them; ``readers``: who may see what
- ``shelf``: which systems there are, and what is new; ``opening``: published records, verified, or what is broken about them
- ``live``: a version as it is now, beside the record; ``tracing``: where it comes from; ``comparing``: two versions
- ``views``, ``templates``: what the pages show
- ``site``: ``Site.page(address, reader)`` makes any of them; ``writing`` writes them as files
"""
