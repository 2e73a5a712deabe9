"""The records of an AI system: impact record, risk register, and the system record that holds both.

Rooms: ``words`` the types; ``reading`` what MLflow holds, verified and judged; ``likelihood``, ``consequence``, ``hazards``
and ``risk`` the register; ``impact`` the impact record; ``openitems`` what to read first; ``sources`` what citations stand
for; ``summary`` puts it together; ``pages`` and ``pictures`` write JSON, Markdown and HTML; ``publishing`` writes to MLflow.
"""
