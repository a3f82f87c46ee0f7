"""A small model hub for the tests, in front of which the doors stand.

It serves what stock clients ask of a hub (metadata, files, uploads, LFS, git, an inference stream)
from a folder of bare git repositories and **checks no credential at all**: whatever reaches it is
answered. Each request's head is recorded, so a test can tell what a door let through.

    python -m modelhub --root DIR --record FILE --fill
"""
