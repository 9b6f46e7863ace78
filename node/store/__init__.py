"""The durable local store of one node, on LMDB."""

from node.store.reader import StoreReader
from node.store.store import Store
from node.store.transaction import StoreTransaction

__all__ = ["Store", "StoreReader", "StoreTransaction"]
