"""A replica inside a Python process: the same engine as a node's, called directly, without HTTP.

``from node import Replica`` is the way in.
"""
