"""Hooks: how a training run meets us. ``tracking`` is the decorator, ``context`` the handle inside it."""
