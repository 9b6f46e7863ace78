"""HTTP: where a request comes in.

``server`` (waitress) hands a request to ``app`` (Flask); ``routes`` lists every route with what it takes and
answers; ``keys`` and ``operations`` carry requests out on a ``ReplicaService``; ``errors`` says which status
each error gets. The causal token travels in headers: ``causal_context``.
"""
