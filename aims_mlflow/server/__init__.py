"""The gate where the write happens: MLflow's registry stores, with the gate before what the policy protects.

``mlflow server --registry-store-uri aims+sqlite:///…`` (also ``aims+postgresql``, ``aims+mysql``) takes ``registry_store``;
``mlflow.set_registry_uri("aims+http://…")`` takes ``registry_client``. What both decide stands in ``gated``, what is protected
in ``guarding``, which tags are true in ``truth``; ``inside`` is the store as the gate reads it within the server, and ``turns``
lets one promotion of a model follow another.
"""
