"""A seeded discrete-event simulator around the real replica core.

One seed gives one schedule: nodes with disks of dicts that are lost and restored, a fanout that delays, doubles,
reorders and loses, a control exchange that promises nothing, clients that move between nodes and repeat their
requests, registers, counters and sets, versions that end, nodes that join and leave, clocks that jump, partitions, and
crashes between any two effects. Everything is small: limits, patience, histories. At the end all is healed and must
come to rest. What must hold is judged by an oracle that knows the true happened-before relation, and that never looks
at the vector clocks under test.

Two kinds of schedules are left out, because nothing could be demanded of them: a disk is lost only while everything
on it is on another disk as well (``disks.py``), and a removed node that comes back is not killed before it has
learned of its removal (``SimulatedNode.may_be_stopped``). Of the requests of writes that came by a snapshot nothing is
remembered, and nothing is demanded (``local_checks.py``).

    python -m tests.simulation --seeds 500           many schedules, on all cores
    python -m tests.simulation --seed 7 --trace      one schedule, told step by step
    python -m tests.simulation --seed 7 --shrink     a failing schedule, made smaller
"""
