"""`git push production main`: the words of git's remote helpers, and what they mean for a site.

Pure of deploys and hosts: who answers for the site is handed in by the command line (`cli.git_remote`).
"""
