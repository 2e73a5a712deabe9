"""The records of an AI system: the system record with its parts, and the input of a management review.

Rooms, from the ground up:

- ``words``, ``risk_words``, ``plan_words``, ``review_words``: the types
- ``reading``: one version as MLflow holds it, verified and judged; ``sources``: what citations stand for
- ``likelihood``, ``consequence``, ``families``, ``hazards``, ``accepting``, ``risk``: the risk register
- ``impact``, ``impacts``: the impact record
- ``measured``, ``spoken``, ``due``, ``openitems``: measures, people's words, dates, and what to do next
- ``parts``, ``memory``, ``looking``: what a record takes of each version, what is kept of it, and reading only what is new
- ``applicability``, ``objectives``, ``operating``: statement of applicability, objectives over time, operation and its cases
- ``summary`` puts the record together; ``review`` and ``trends`` the input of a management review
- ``viewing``, ``pages``, ``pictures``, ``templates``: JSON, Markdown and HTML; ``publishing`` writes to MLflow
- ``sealing`` signs what is published
"""
