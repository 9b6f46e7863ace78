"""A seeded discrete-event simulator around the real replica core.

One seed gives one schedule: nodes with disks of dicts, a fanout that delays, duplicates, reorders and
forgets what was not confirmed, clients that move between nodes, and crashes between any two effects.
What must hold is judged by an oracle that knows the true happened-before relation, and that never looks
at the vector clocks under test.

    python -m tests.simulation --seeds 500           many schedules
    python -m tests.simulation --seed 7 --trace      one schedule, told step by step
"""
