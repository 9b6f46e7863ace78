"""HTTP: where a request comes in.

``server`` (waitress) hands a request to ``app`` (Flask); ``routes`` lists every route with what it takes and
answers; ``keys``, ``batches``, ``counters_and_sets`` and ``operations`` carry requests out on a ``ReplicaService``;
``write_requests`` and ``data_answers`` say what bodies look like, ``writing`` what all writes have in common;
``errors`` says which status each error gets. The causal token travels in headers: ``causal_context``.
"""
