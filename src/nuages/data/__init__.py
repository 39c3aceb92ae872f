"""Databases and media of a site, moved by hand and by the clock: dumps, checked restores, copies, backups.

`hand` lays our programs on a host; `dump` and `restore` are what everything else here is made of.
"""
