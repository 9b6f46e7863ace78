"""Lessons: small scenarios at a real cluster that show what happens, and why. ``client demo --scenario NAME``.

A lesson is a generator of moments (`client.lessons.moments`), which know nothing of how they are shown; `text` makes
lines of them. Whatever else plays lessons, such as a page in a browser, can take the same moments as JSON.
"""
