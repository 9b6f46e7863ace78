"""What sessions saw, recorded, and judged for causal consistency without a look at any vector clock."""
